"use strict";
/* Polynomials between the points that they are fitted to: their degree, and a run. */
(() => {
  const curveOf = (largest) => {
    // Legendre polynomials of mean square 1, from one end of the inputs to the other.
    const inputs = Float64Array.from({length: 241}, (_, k) => k / 120 - 1);
    const columns = [inputs.map(() => 1), inputs];
    for (let k = 1; k < largest; k++) {
      columns.push(inputs.map((x, row) =>
        ((2 * k + 1) * x * columns[k][row] - k * columns[k - 1][row]) / (k + 1)));
    }
    const curve = (coefficients) => inputs.map((_, row) => coefficients.reduce(
      (sum, coefficient, k) => sum + coefficient * Math.sqrt(2 * k + 1) * columns[k][row],
      0));
    return (coefficients) => [inputs, curve(coefficients)];
  };

  /* The points, the sine that they come from, and a curve that is fitted to them. */
  const fitPlot = ({seen, unseen}) => {
    const targets = [...seen.targets.values, ...unseen.targets.values];
    const [low, high] = [Math.min(...targets), Math.max(...targets)];
    const plot = explore.plot({
      title: "The fit between the points",
      label: "The fitted curve, the training points and the validation points.",
      x: {label: "Input x", low: -1.05, high: 1.05},
      y: {label: "Target and prediction", low: low - 0.5, high: high + 0.5}});
    const inputs = Float64Array.from({length: 241}, (_, k) => k / 120 - 1);
    plot.points("grey small", "validation points")
      .draw(unseen.inputs.values, unseen.targets.values);
    plot.line("grey dashed", "sine")
      .draw(inputs, inputs.map((x) => Math.sin(Math.PI * x)));
    const fit = plot.line("vermillion", "fit");
    const points = plot.points("ink", "training points");
    return {
      node: plot.node,
      draw: (rows, [xs, ys]) => {
        fit.draw(xs, ys);
        points.draw(...[seen.inputs, seen.targets].map(
          (column) => rows.map((row) => column.at(row))));
      },
    };
  };

  /* Both losses as curves, with a dot on each for where the reader is. */
  const lossCurves = (plot) => {
    const least = plot.points("green big", "lowest validation loss");
    const [blue, red] = [
      ["blue", "training loss"], ["vermillion dashed", "validation loss"],
    ].map(([name, text]) => plot.line(name, text));
    const [low, high] = ["blue", "vermillion"].map((name) => plot.points(name));
    return {
      draw: (xs, training, validation, at, best) => {
        blue.draw(xs, training);
        red.draw(xs, validation);
        low.draw([xs[at]], [training[at]]);
        high.draw([xs[at]], [validation[at]]);
        least.draw([xs[best]], [validation[best]]);
      },
    };
  };

  /* Lets a pointer in a plot move a slider to the nearest of its positions. */
  const follow = (plot, xs, control, show) => {
    const picture = plot.area.ownerSVGElement;
    const move = (event) => {
      if (!event.buttons) return;
      const at = new DOMPoint(event.clientX, event.clientY)
        .matrixTransform(plot.area.getScreenCTM().inverse());
      const away = xs.map((x) => Math.abs(plot.px(x) - at.x));
      control.index = away.indexOf(Math.min(...away));
      show();
    };
    picture.classList.add("draggable");
    picture.addEventListener("pointerdown", move);
    picture.addEventListener("pointermove", move);
  };

  /* The degree, the penalty and the number of points as sliders. */
  const degreeOf = (root, data) => {
    const {slider, readout, sentence, plot, controls, panels, write} = explore;
    const {degrees, penalties, strides} = data;
    const curve = curveOf(degrees[degrees.length - 1]);

    const rows = slider({
      label: "Training points", count: data.rows.length,
      say: (index) => String(data.rows[index]), change: () => show()});
    const degree = slider({
      label: "Degree", count: degrees.length, start: Math.floor(degrees.length * 0.8),
      say: (index) => String(degrees[index]), change: () => show()});
    const penalty = slider({
      label: "Penalty", count: penalties.length,
      say: (index) => String(penalties[index]), change: () => show()});

    const told = sentence();
    const numbers = readout({training: "Training loss", validation: "Validation loss"});

    const fit = fitPlot(data);
    const highest = Math.max(...data.validation.values);
    const lowest = Math.min(...data.validation.values);
    const losses = plot({
      title: "The losses against the degree",
      label: "The training loss and the validation loss of every degree.",
      x: {label: "Degree", low: degrees[0] - 0.3,
        high: degrees[degrees.length - 1] + 0.3},
      y: {label: "Loss", low: Math.min(lowest / 10, highest / 1e3), high: highest * 1.5,
        log: true}});
    const here = losses.upright("ink thin");
    const both = lossCurves(losses);

    const show = () => {
      const place = [rows.index, degree.index, penalty.index];
      const along = (array) => degrees.map((_, k) => array.at(place[0], k, place[2]));
      const [training, validation] = [data.training, data.validation].map(along);
      const best = validation.indexOf(Math.min(...validation));
      const at = degree.index;

      const used = [...data.seen.inputs.values.keys()]
        .filter((row) => row % strides[place[0]] === 0);
      fit.draw(used, curve(data.coefficients.at(...place)));

      here.draw(degrees[at]);
      both.draw(degrees, training, validation, at, best);

      // What is left of a curve through all points is a rounding of zero.
      const left = (loss) => (loss < 1e-12 ? "0" : write(loss));
      numbers.show({training: left(training[at]), validation: left(validation[at])});
      const ratio = validation[at] / validation[best];
      const one = `Degree ${degrees[at]}`;
      const other = `degree ${degrees[best]}`;
      if (at === best) {
        told.show(`${one} is best here: no other degree has a lower validation loss.`);
      } else if (ratio < 1.1) {
        told.show(`${one} does nearly as well as ${other}, `
          + "which has the lowest validation loss.");
      } else if (at < best) {
        told.show(`${one} is too simple: with ${other} both losses are lower.`);
      } else {
        const training_ = training[at] < 1e-12
          ? "The curve goes through every training point"
          : "The training loss is lower";
        told.show(`${one} is too flexible. ${training_}, but the validation loss is `
          + `${write(ratio, 2)} times that of ${other}.`, {warning: true});
      }
    };
    root.append(
      controls(degree.node, penalty.node, rows.node), told.node, numbers.node,
      panels(fit.node, losses.node));
    follow(losses, degrees, degree, show);
    show();
  };

  /* The epoch of a run as a slider. */
  const epochOf = (root, data) => {
    const {slider, readout, sentence, plot, controls, panels, write} = explore;
    const epochs = [...data.epochs.values];
    const [training, validation] = [data.training, data.validation]
      .map((losses) => [...losses.values]);
    const curve = curveOf(data.degree);
    const best = validation.indexOf(Math.min(...validation));
    const last = epochs.length - 1;

    const epoch = slider({
      label: "Epoch", count: epochs.length, start: last,
      say: (index) => String(epochs[index]), change: () => show()});
    const patience = slider({
      label: "Patience", count: data.patiences.length,
      start: Math.floor(data.patiences.length / 2),
      say: (index) => `${data.patiences[index]} epochs`, change: () => show()});

    const told = sentence();
    const numbers = readout({
      training: "Training loss", validation: "Validation loss",
      stop: "Stops after epoch", kept: "Keeps epoch"});

    const fit = fitPlot(data);
    const all = [...training, ...validation].filter((loss) => loss > 0);
    const losses = plot({
      title: "The losses by epoch",
      label: "The training loss and the validation loss of every epoch.",
      x: {label: "Epoch", low: 1, high: 1.1 * Math.max(epochs[last], 2), log: true},
      y: {label: "Loss", low: Math.min(...all) / 1.5, high: Math.max(...all) * 1.5,
        log: true}});
    const here = losses.upright("ink thin");
    const stop = losses.upright("purple dashed", "patience stops");
    const both = lossCurves(losses);

    const show = () => {
      const at = epoch.index;
      const stopped = data.stops.at(patience.index, 0);
      const kept = data.stops.at(patience.index, 1);

      fit.draw([...data.seen.inputs.values.keys()], curve(data.coefficients.at(at)));
      here.draw(epochs[at]);
      stop.draw(epochs[stopped]);
      both.draw(epochs, training, validation, at, best);

      numbers.show({
        training: write(training[at]), validation: write(validation[at]),
        stop: String(epochs[stopped]), kept: String(epochs[kept])});
      const ratio = validation[at] / validation[best];
      if (at === best) {
        told.show(`Epoch ${epochs[at]} is the one to stop at: `
          + "the validation loss is lowest.");
      } else if (at < best) {
        told.show(`Epoch ${epochs[at]} is too early: the validation loss is lowest in `
          + `epoch ${epochs[best]}.`);
      } else {
        told.show(`Epoch ${epochs[at]} is too late. The training loss falls on, but the `
          + `validation loss is ${write(ratio, 3)} times that of epoch ${epochs[best]}.`,
        {warning: ratio > 1.1});
      }
    };
    root.append(
      controls(epoch.node, patience.node), told.node, numbers.node,
      panels(losses.node, fit.node));
    follow(losses, epochs, epoch, show);
    show();
  };

  explore.define("polynomials", (root, data) =>
    ("epochs" in data ? epochOf : degreeOf)(root, data));
})();
