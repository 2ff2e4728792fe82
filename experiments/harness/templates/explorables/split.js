"use strict";
explore.define("split", (root, data) => {
  const {button, readout, sentence, plot, panels, html, write} = explore;
  const {names, inputs, targets, order, validation} = data;
  const losses = Array.from(order.values, (split) => validation.at(split));
  const all = losses.length;
  const bins = 24;
  const highest = Math.max(...losses) * 1.02;
  const edges = Array.from({length: bins + 1}, (_, k) => (k * highest) / bins);
  let drawn = 0;
  let waiting = 0;

  const told = sentence();
  const numbers = readout({
    validation: names.validation, mean: "Mean so far",
    spread: "Standard deviation", drawn: "Splits drawn"});

  const around = (values, margin) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return {low: low - margin * (high - low || 1), high: high + margin * (high - low || 1)};
  };
  const fit = plot({
    title: "This split, and the line fitted to it",
    label: "The readings to train on, those held out, and the line fitted to the former.",
    x: {label: names.input, low: data.ends.at(0), high: data.ends.at(1)},
    y: {label: names.target, ...around(targets.values, 0.2)}});
  const line = fit.line("blue");
  const misses = fit.lines("vermillion");
  const trained = fit.points("blue", "trained on");
  const held = fit.points("vermillion big", "held out");

  const histogram = plot({
    title: "Validation losses of all splits so far",
    label: "A histogram of the validation losses of the splits drawn so far.",
    x: {label: names.validation, low: 0, high: highest},
    y: {label: "Splits", low: 0, high: 5}});
  const bars = histogram.bars("grey");
  const mark = histogram.upright("vermillion", "this split");

  const show = () => {
    const split = order.at(drawn - 1);
    const out = new Set(data.held_out.at(split));
    const rows = Array.from(inputs.values, (_, row) => row);
    const ofRows = (draw, chosen) => draw.draw(
      chosen.map((row) => inputs.at(row)), chosen.map((row) => targets.at(row)));
    ofRows(trained, rows.filter((row) => !out.has(row)));
    ofRows(held, [...out]);
    const [left, right] = data.lines.at(split);
    const [from, to] = data.ends.values;
    const fitted = (input) => left + ((input - from) / (to - from)) * (right - left);
    line.draw([from, to], [left, right]);
    misses.draw([...out].map((row) => [
      [inputs.at(row), inputs.at(row)], [targets.at(row), fitted(inputs.at(row))]]));

    const seen = losses.slice(0, drawn);
    const counts = new Array(bins).fill(0);
    for (const loss of seen) counts[Math.min(bins - 1, Math.floor((loss / highest) * bins))]++;
    histogram.scale({y: {high: Math.max(5, ...counts) * 1.05}});
    bars.draw(edges, counts);
    const loss = losses[drawn - 1];
    mark.draw(loss);

    const mean = seen.reduce((sum, one) => sum + one, 0) / drawn;
    const squares = seen.reduce((sum, one) => sum + (one - mean) ** 2, 0);
    const spread = drawn > 1 ? write(Math.sqrt(squares / (drawn - 1))) : "–";
    numbers.show({
      validation: write(loss), mean: write(mean), spread, drawn: String(drawn)});
    if (waiting) return;
    const [low, high] = [Math.min(...seen), Math.max(...seen)];
    told.show(drawn === 1
      ? `This split has a validation loss of ${write(loss)} ${names.unit}. Is that good?`
      : `This split has a validation loss of ${write(loss)} ${names.unit}. The ${drawn} `
        + `drawn so far lie between ${write(low, 3)} and ${write(high, 3)} `
        + `${names.unit}: same model, same readings.`);
  };

  const draw = (number) => {
    drawn = Math.min(drawn + number, all);
    show();
    for (const node of [one, many]) node.disabled = drawn === all;
  };
  /* Draws some of those that wait, and leaves the rest to the next frames. */
  const animate = () => {
    const now = Math.min(waiting, explore.still() ? waiting : 4);
    waiting -= now;
    draw(now);
    if (waiting) requestAnimationFrame(animate);
  };
  const one = button("Draw another split", () => draw(1));
  const many = button("Draw 100", () => {
    const busy = waiting > 0;
    waiting = Math.min(waiting + 100, all - drawn);
    if (!busy) animate();
  });
  const again = button("Start again", () => {
    [drawn, waiting] = [0, 0];
    draw(1);
  });
  root.append(
    panels(
      html("div", {class: "side wide"},
        html("div", {}, one, many, again), told.node, numbers.node),
      fit.node, histogram.node));
  draw(1);
});
