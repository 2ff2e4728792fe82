"use strict";
/*
A graph of numbers, evaluated forwards and differentiated backwards.

An operand is a number, or the place of a node within a list. An operation has a value,
its derivative by every operand, and the way it is written.
*/
(() => {
  const OPERATIONS = {
    add: [(a, b) => a + b, () => [1, 1], (a, b) => `${a} + ${b}`],
    sub: [(a, b) => a - b, () => [1, -1], (a, b) => `${a} − ${b}`],
    mul: [(a, b) => a * b, (a, b) => [b, a], (a, b) => `${a} · ${b}`],
    div: [(a, b) => a / b, (a, b) => [1 / b, -a / b ** 2], (a, b) => `${a} / ${b}`],
    neg: [(a) => -a, () => [-1], (a) => `−${a}`],
    sin: [Math.sin, (a) => [Math.cos(a)], (a) => `sin(${a})`],
    cos: [Math.cos, (a) => [-Math.sin(a)], (a) => `cos(${a})`],
    tanh: [Math.tanh, (a) => [1 - Math.tanh(a) ** 2], (a) => `tanh(${a})`],
    exp: [Math.exp, (a) => [Math.exp(a)], (a) => `exp(${a})`],
    log: [Math.log, (a) => [1 / a], (a) => `ln(${a})`],
    log1p: [Math.log1p, (a) => [1 / (1 + a)], (a) => `ln(1 + ${a})`],
    sqrt: [Math.sqrt, (a) => [0.5 / Math.sqrt(a)], (a) => `√${a}`],
    square: [(a) => a ** 2, (a) => [2 * a], (a) => `${a}²`],
    integer_pow: [
      (a, n) => a ** n, (a, n) => [n * a ** (n - 1), 0],
      (a, n) => `${a}${explore.raised(n)}`],
  };

  /*
  The values of all nodes; the factor of every edge, which is the derivative of its
  target by its source; and the adjoint of every node. `moves` are the edges in the
  order in which adjoints go back along them, with what arrives and the sum there.
  */
  const evaluate = ({nodes, edges, output}, inputs) => {
    const values = [];
    const given = (operands) =>
      operands.map((one) => (Array.isArray(one) ? values[one[0]] : one));
    nodes.forEach(({operation, operands}, place) => {
      values.push(operation === "input"
        ? inputs[place] : OPERATIONS[operation][0](...given(operands)));
    });
    const factors = edges.map(([source, target]) => {
      const {operation, operands} = nodes[target];
      const derivatives = OPERATIONS[operation][1](...given(operands));
      return operands.reduce((sum, one, k) =>
        sum + (Array.isArray(one) && one[0] === source ? derivatives[k] : 0), 0);
    });
    const adjoints = nodes.map((_, place) => (place === output ? 1 : 0));
    const moves = [];
    for (let place = nodes.length - 1; place >= 0; place--) {
      edges.forEach(([source, target], edge) => {
        if (target !== place) return;
        const share = adjoints[target] * factors[edge];
        const before = moves.some((move) => move.source === source)
          ? adjoints[source] : null;
        adjoints[source] += share;
        moves.push({edge, source, target, share, before, sum: adjoints[source]});
      });
    }
    return {values, factors, adjoints, moves};
  };

  /* A number in at most seven characters. */
  const short = (value) => {
    if (!Number.isFinite(value)) return "?";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 99999.5)) {
      return value.toExponential(1).replace(/-/g, "−").replace("+", "");
    }
    const whole = size < 9.9995 ? 1 : size < 99.995 ? 2 : size < 999.95 ? 3 : 4;
    const text = value.toFixed(size < 0.99995 ? 4 : 4 - whole);
    return String(Number(text)).replace("-", "−");
  };
  const inside = (value) => {
    const text = short(value);
    return text.startsWith("−") ? `(${text})` : text;
  };

  /* The picture of the graph, whose texts are the graph's own, in its own order. */
  const draw = (formula) => {
    const holder = explore.html("div", {class: "graph"});
    holder.innerHTML = formula.svg;
    const picture = holder.querySelector("svg");
    const [legend, ...texts] = picture.querySelectorAll("text");
    const rects = [...picture.querySelectorAll("rect")];
    const paths = [...picture.querySelectorAll("path")];
    const count = formula.nodes.length;
    legend.remove();
    const nodes = rects.map((rect, place) => {
      const [title, value, adjoint] = texts.slice(3 * place);
      value.setAttribute("data-quantity", `value-${place}`);
      adjoint.setAttribute("data-quantity", `adjoint-${place}`);
      return {rect, title, value, adjoint};
    });
    const edges = formula.edges.map((_, edge) => {
      const factor = texts[3 * count + edge];
      factor.setAttribute("data-quantity", `factor-${edge}`);
      return {line: paths[2 * edge], head: paths[2 * edge + 1], factor};
    });
    const box = rects.map((rect) =>
      ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name))));
    const right = Math.max(...box.map(([x, , width]) => x + width));
    const bottom = Math.max(...box.map(([, y, , height]) => y + height));
    picture.querySelector("g").removeAttribute("transform");
    picture.setAttribute("viewBox", `-3 -3 ${right + 6} ${bottom + 6}`);
    picture.setAttribute("width", right + 6);
    picture.removeAttribute("height");
    // Letters of 13 units are no smaller than 12 pixels; a narrower page scrolls.
    picture.style.minWidth = `${Math.ceil(((right + 6) * 12) / 13)}px`;
    return {holder, picture, nodes, edges};
  };

  const named = (formula, place) => formula.nodes[place].name.replace(/^.*\./, "");

  const build = (root, data) => {
    const {slider, choice, sentence, button, html} = explore;
    const {formulas} = data;
    const told = sentence();
    const formula = () => formulas[chosen.index];
    const chosen = choice({
      label: "Formula", names: formulas.map(({title}) => title), change: () => open()});
    const holder = html("div", {
      class: "holder", role: "region", tabindex: 0, "aria-label": "The graph"});
    const legend = html("div", {class: "legend"},
      html("span", {}, "left: value"),
      html("span", {class: "funclearn-adjoint"}, "right: adjoint"),
      html("span", {class: "funclearn-local"}, "arrow: derivative"));
    const inputs = html("div", {class: "inputs"});
    const steps = html("div");
    let picture, step, sliders;

    const length = () => {
      const {nodes, edges} = formula();
      return nodes.filter(({operation}) => operation !== "input").length + 1 + edges.length;
    };
    const move = (by) => {
      step.index = Math.min(Math.max(step.index + by, 0), length());
      show();
    };
    const value = ({low, step: width}, index) =>
      Number((low + width * index).toFixed(6));

    const open = () => {
      picture = draw(formula());
      holder.replaceChildren(picture.holder);
      step = slider({
        label: "Step", count: length() + 1, say: (index) => `${index} of ${length()}`,
        change: () => show()});
      steps.replaceChildren(step.node);
      sliders = formula().inputs.map((input, place) => slider({
        label: `Input ${named(formula(), place)}`, count: input.count,
        start: input.start, say: (index) => short(value(input, index)),
        change: () => show()}));
      inputs.replaceChildren(...sliders.map(({node}) => node));
      show();
    };

    const paint = (computed, at) => {
      const {nodes, edges, output} = formula();
      const first = sliders.length;
      const done = at - (nodes.length - first) - 1;
      const moves = computed.moves.slice(0, Math.max(done, 0));
      const last = moves[moves.length - 1];
      nodes.forEach((_, place) => {
        const {rect, value: text, adjoint} = picture.nodes[place];
        const known = place < first + at;
        const arrived = moves.filter(({source}) => source === place).pop();
        const seeded = place === output && done >= 0;
        const forward = done < 0 && at > 0 && place === first + at - 1;
        const backward = last ? place === last.source : seeded && done === 0;
        text.textContent = known ? short(computed.values[place]) : "";
        adjoint.textContent = seeded ? "1" : arrived ? short(arrived.sum) : "";
        rect.classList.toggle("unknown", !known);
        rect.classList.toggle("forward", forward);
        rect.classList.toggle("backward", backward);
      });
      edges.forEach(([, target], edge) => {
        const {line, head, factor} = picture.edges[edge];
        const gone = moves.some((one) => one.edge === edge);
        const forward = done < 0 && at > 0 && target === first + at - 1;
        const backward = Boolean(last) && last.edge === edge;
        factor.textContent = gone ? short(computed.factors[edge]) : "";
        for (const node of [line, head]) {
          node.classList.toggle("forward", forward);
          node.classList.toggle("backward", backward);
        }
      });
      return {done, last};
    };

    const written = ({operation, operands}, write) => OPERATIONS[operation][2](
      ...operands.map((one) => (Array.isArray(one) ? write(one[0]) : one)));

    const explain = ({values, factors, adjoints}, at, {done, last}) => {
      const {nodes, output} = formula();
      const first = sliders.length;
      const out = named(formula(), output);
      if (!values.every(Number.isFinite)) {
        return `${out} is not defined at these inputs.`;
      }
      if (at === 0) return "The inputs are given. Press Next to go forwards.";
      if (done < 0) {
        const place = first + at - 1;
        return `Forwards: ${named(formula(), place)} = `
          + `${written(nodes[place], (one) => named(formula(), one))} = `
          + `${written(nodes[place], (one) => inside(values[one]))} = `
          + `${short(values[place])}.`;
      }
      if (done === 0) return `Backwards: the derivative of ${out} by itself is 1.`;
      const {source, target, edge, share, before, sum} = last;
      const from = named(formula(), target);
      const to = named(formula(), source);
      const product = `Backwards: the adjoint of ${from} times the derivative of ${from} `
        + `by ${to} is ${inside(adjoints[target])} × ${inside(factors[edge])} = `
        + `${short(share)}`;
      const text = before === null ? `${product}, which arrives at ${to}.`
        : `${product}. It is added to what is at ${to}: ${inside(before)} + `
          + `${inside(share)} = ${short(sum)}.`;
      return at === length()
        ? `${text} All inputs have their derivatives of ${out}.` : text;
    };

    const show = () => {
      const at = step.index;
      const computed = evaluate(formula(),
        formula().inputs.map((input, place) => value(input, sliders[place].index)));
      const text = explain(computed, at, paint(computed, at));
      told.show(text, {warning: text.endsWith("at these inputs.")});
      picture.picture.setAttribute("aria-label", text);
    };
    root.append(
      chosen.node,
      html("div", {class: "stepping"}, html("div", {}, holder, legend), html("div", {},
        button("Back", () => move(-1)), button("Next", () => move(1)), steps,
        told.node, inputs)));
    open();
  };

  explore.evaluate = evaluate;
  explore.define("graph", build);
})();
