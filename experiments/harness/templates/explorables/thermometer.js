"use strict";
explore.define("thermometer", (root, data) => {
  const {slider, choice, readout, sentence, plot, controls, panels, html, write} = explore;
  const {names, rates, momenta, scales} = data;
  const epochs = scales[0].loss.shape[2] - 1;
  const position = (value) => {
    const [low, high] = [rates.at(0), rates.at(rates.shape[0] - 1)];
    return (Math.log(value / low) / Math.log(high / low)) * (rates.shape[0] - 1);
  };
  const start = Math.floor(position(data.limits[0][0])); // just below the limit

  const scaling = choice({
    label: "Readings", names: scales.map((scale) => scale.name), change: () => show(true)});
  const rate = slider({
    label: "Learning rate", count: rates.shape[0], start,
    say: (index) => write(rates.at(index), 3), change: () => show(false)});
  const momentum = slider({
    label: "Momentum", count: momenta.length,
    say: (index) => write(momenta[index], 1), change: () => show(false)});

  const told = sentence();
  const numbers = readout({
    loss: names.loss, weight: "Weight w", bias: "Bias b", epochs: "Epochs",
    limit: "Limit"});

  const path = plot({
    title: "The path over the loss",
    label: "The weight and the bias after every epoch, over contours of the loss.",
    x: {label: "Weight w", low: 0, high: 1}, y: {label: "Bias b", low: 0, high: 1}});
  const contours = path.lines("grey thin faint");
  const walk = path.line("blue thin", "path");
  const steps = path.points("blue small");
  const bottom = path.points("green big", "lowest loss");
  const end = path.points("vermillion", "end");

  const spread = (values) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const margin = 0.25 * (high - low || 1);
    return {low: low - margin, high: high + margin};
  };
  const inputs = spread(data.inputs.values);
  const fit = plot({
    title: "The line through the readings",
    label: "The readings and the line with the last weight and bias.",
    x: {label: names.input, ...inputs},
    y: {label: names.target, ...spread(data.targets.values)}});
  fit.points("ink").draw(data.inputs.values, data.targets.values);
  const line = fit.line("vermillion");

  const least = Math.min(...scales.flatMap(({loss}) =>
    [...loss.values].filter((value) => value > 0)));
  const first = scales[0].loss.at(0, 0, 0);
  const power = Math.floor(Math.log10(least));
  const fall = plot({
    title: "The loss",
    label: "The loss after every epoch.",
    x: {label: "Epoch", low: 0, high: epochs},
    y: {label: names.loss, low: 10 ** power,
      high: 10 ** (Math.ceil(Math.log10(first)) + 2), log: true}});
  const course = fall.line("blue");
  fall.line("green dashed", "lowest loss").draw([0, epochs], [data.lowest, data.lowest]);
  const counted = Float64Array.from({length: epochs + 1}, (_, epoch) => epoch);

  // Weights and biases, of pairs of them.
  const columns = (pairs) =>
    [0, 1].map((axis) => pairs.filter((_, k) => k % 2 === axis));

  const show = (rescaled) => {
    const at = [scaling.index, momentum.index, rate.index];
    const scale = scales[at[0]];
    const limit = data.limits[at[0]][at[1]];
    const [weight, bias, loss] = data.ends.at(...at);
    const ran = data.epochs.at(...at);
    const blownUp = !(loss <= first);

    if (rescaled) {
      path.scale({
        x: {low: scale.window.at(0, 0), high: scale.window.at(0, 1)},
        y: {low: scale.window.at(1, 0), high: scale.window.at(1, 1)}});
      const {minimum, radii, ellipse} = scale;
      contours.draw(Array.from(radii.values, (radius) => columns(ellipse.values).map(
        (column, axis) => column.map((part) => minimum.at(axis) + radius * part))));
      bottom.draw([minimum.at(0)], [minimum.at(1)]);
    }
    rate.mark({at: position(limit), text: `limit ${write(limit, 3)}`});

    const passed = columns(scale.path.at(at[1], at[2])).map((column, axis) => {
      const [low, high] = scale.window.at(axis);
      return column.map((part) => (low + high) / 2 + Math.sinh(part) * (high - low));
    });
    walk.draw(...passed);
    steps.draw(...passed);
    end.draw([weight], [bias]);
    path.note(blownUp ? "The path leaves the plot." : "");

    const ends = [inputs.low, inputs.high];
    line.draw(ends, ends.map(
      (input) => weight * ((input - scale.shift) / scale.scale) + bias));
    fit.note(blownUp ? "The line is nowhere near." : "");

    course.draw(counted, scale.loss.at(at[1], at[2]));
    fall.note(blownUp ? "The loss blows up." : "");

    numbers.show({
      loss: write(loss), weight: write(weight), bias: write(bias), epochs: String(ran),
      limit: write(limit, 3)});
    const used = rates.at(at[2]);
    const part = used < limit
      ? `${write((100 * used) / limit, 2)}% of` : `${write(used / limit, 2)} times`;
    const reached = Number.isFinite(loss)
      ? `${write(loss)} ${names.unit}` : "too large for a number";
    told.show(
      `The learning rate ${write(used, 3)} is ${part} the limit ${write(limit, 3)}. `
      + (blownUp ? "The loss blows up: it" : "The loss")
      + ` is ${reached} after ${ran} epochs.`, {warning: blownUp});
  };
  root.append(
    panels(
      html("div", {class: "side"}, controls(rate.node, scaling.node, momentum.node),
        told.node, numbers.node),
      path.node, fit.node, fall.node));
  show(true);
});
