"use strict";
/*
What the explorables have in common.

A file of data calls `explore.data(key, data)`, a script calls
`explore.define(name, build)`. Once the page is there, `build(root, data)` fills the
element of every explorable whose data and script are there; it takes the place of the
still figure.
*/
const explore = (() => {
  const found = {};
  const builds = {};

  // Elements: html("p", {class: "sentence"}, "text", child) and the same for SVG.

  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  };
  const html = (name, attributes = {}, ...children) =>
    fill(document.createElement(name), attributes, children);
  const svg = (name, attributes = {}, ...children) => fill(
    document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

  let identifiers = 0;
  const identifier = () => `explore-${++identifiers}`;

  // Arrays: `at(i, j)` of a matrix is a number, `at(i)` is a row.

  const TYPES = {
    uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array,
    uint32: Uint32Array, int32: Int32Array,
    float32: Float32Array, float64: Float64Array,
  };

  const restored = (codes, {dtype, low, high, log}) => {
    const top = 2 ** (8 * TYPES[dtype].BYTES_PER_ELEMENT) - 4;
    const special = [-Infinity, Infinity, NaN];
    return Float64Array.from(codes, (code) => {
      const value = code > top
        ? special[code - top - 1] : low + (code / top) * (high - low);
      return log ? Math.exp(value) : value;
    });
  };

  const array = (packed) => {
    const bytes = Uint8Array.from(atob(packed.base64), (letter) => letter.charCodeAt(0));
    const stored = new TYPES[packed.dtype](bytes.buffer);
    const values = "low" in packed ? restored(stored, packed) : stored;
    const {shape} = packed;
    const at = (...indices) => {
      let size = values.length;
      let start = 0;
      indices.forEach((index, axis) => {
        size /= shape[axis];
        start += index * size;
      });
      return indices.length === shape.length
        ? values[start] : values.subarray(start, start + size);
    };
    return {shape, values, at};
  };

  const unpack = (value) => {
    if (Array.isArray(value)) return value.map(unpack);
    if (value === null || typeof value !== "object") return value;
    if ("base64" in value) return array(value);
    return Object.fromEntries(
      Object.entries(value).map(([name, part]) => [name, unpack(part)]));
  };

  // Numbers as text.

  const raised = (exponent) =>
    String(exponent).replace(/./g, (sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]);

  const write = (value, digits = 4) => {
    if (Number.isNaN(value)) return "not a number";
    if (!Number.isFinite(value)) return value < 0 ? "−∞" : "∞";
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    const power = Number(exponent);
    const text = power < -4 || power > 5
      ? `${mantissa} × 10${raised(power)}`
      : value.toFixed(Math.max(0, digits - 1 - power));
    return text.replace("-", "−");
  };

  // Controls. All of them are the browser's own, so keys and touch come with them.

  /*
  A slider over the positions 0 to count - 1. `say(index)` is what a position stands
  for. `mark({at, text})` marks a position, which may lie between two, on the track;
  what lies beyond it is coloured.
  */
  const slider = ({label, count, start = 0, say, change}) => {
    const id = identifier();
    const input = html("input", {id, type: "range", min: 0, max: count - 1, step: 1});
    const output = html("output", {for: id, "aria-live": "off"});
    const flag = html("div", {class: "flag", hidden: ""});
    const show = () => {
      output.textContent = say(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.value = start;
    input.addEventListener("input", () => {
      show();
      change();
    });
    show();
    return {
      node: html("div", {class: "control slider"},
        html("label", {for: id}, label), output, input, flag),
      get index() { return Number(input.value); },
      set index(index) {
        input.value = index;
        show();
      },
      show,
      mark: ({at, text}) => {
        const share = Math.min(Math.max(at / (count - 1), 0), 1);
        for (const node of [input, flag]) node.style.setProperty("--at", share);
        input.classList.add("marked");
        flag.replaceChildren(html("span", {}, text));
        flag.hidden = false;
      },
    };
  };

  /* Radio buttons, of which one is chosen. */
  const choice = ({label, names, start = 0, change}) => {
    const group = identifier();
    const inputs = names.map((name, index) => {
      const input = html("input", {type: "radio", name: group, value: index});
      input.checked = index === start;
      input.addEventListener("change", change);
      return input;
    });
    return {
      node: html("fieldset", {class: "control choice"}, html("legend", {}, label),
        ...inputs.map((input, index) => html("label", {}, input, names[index]))),
      get index() { return inputs.findIndex((input) => input.checked); },
    };
  };

  const button = (label, action) => {
    const node = html("button", {type: "button"}, label);
    node.addEventListener("click", action);
    return node;
  };

  // Texts that change.

  /* Numbers by what they are of: `readout({loss: "Loss (°C²)"})`. */
  const readout = (labels) => {
    const outputs = Object.fromEntries(Object.keys(labels).map((quantity) =>
      [quantity, html("output", {"data-quantity": quantity, "aria-live": "off"})]));
    return {
      node: html("dl", {class: "numbers"}, ...Object.entries(labels).map(
        ([quantity, label]) => html("div", {},
          html("dt", {}, label), html("dd", {}, outputs[quantity])))),
      show: (texts) => {
        for (const [quantity, text] of Object.entries(texts)) {
          outputs[quantity].textContent = text;
        }
      },
    };
  };

  /* One sentence about the present position, which screen readers read out. */
  const sentence = () => {
    const node = html("p", {class: "sentence", "aria-live": "polite"});
    return {
      node,
      show: (text, {warning = false} = {}) => {
        node.textContent = text;
        node.classList.toggle("missed", warning);
      },
    };
  };

  // Plots.

  const BOX = {width: 350, height: 250, left: 54, right: 12, top: 10, bottom: 44};
  const FAR = 1e5;

  const linearTicks = (low, high) => {
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.99);
    const ticks = [];
    for (let k = Math.ceil(low / step); k * step <= high * (1 + 1e-9); k++) {
      ticks.push([k * step, String(Number((k * step).toPrecision(6))).replace("-", "−")]);
    }
    return ticks;
  };

  const logTicks = (low, high) => {
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    const step = Math.ceil((last - first + 1) / 6);
    const ticks = [];
    for (let power = first; power <= last; power += step) {
      const plain = Math.abs(power) < 4;
      ticks.push([10 ** power, plain ? String(Number(`1e${power}`)) : `10${raised(power)}`]);
    }
    return ticks;
  };

  /*
  A plot with an axis `x` and `y`, each {label, low, high, log}. Its layers `line`,
  `lines`,
  `points`, `bars` and `upright` have a class, which gives the colour, and a name for
  the legend, if they are in it; each is drawn anew by its own `draw`. `scale({x, y})`
  changes the axes, and `note(text)` says something in the plot.
  */
  const plot = ({title, label, x, y}) => {
    const axes = {x: {...x}, y: {...y}};
    const inner = {
      width: BOX.width - BOX.left - BOX.right,
      height: BOX.height - BOX.top - BOX.bottom,
    };
    const frame = svg("g", {class: "frame"});
    // An inner SVG cuts off what lies outside of it.
    const area = svg("svg", {
      "aria-hidden": "true", x: BOX.left, y: BOX.top, width: inner.width, height: inner.height});
    const picture = svg("svg", {
      class: "plot", viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img",
      "aria-label": label}, frame, area);
    const legend = html("div", {class: "legend", "aria-hidden": "true"});
    const layers = [];
    const note = svg("text", {
      class: "note", x: inner.width / 2, y: inner.height / 3, "text-anchor": "middle"});

    const share = (axis, value) => {
      const [at, low, high] = [value, axis.low, axis.high].map(
        axis.log ? Math.log : Number);
      return Math.min(Math.max((at - low) / (high - low), -FAR), FAR);
    };
    const px = (value) => share(axes.x, value) * inner.width;
    const py = (value) => (1 - share(axes.y, value)) * inner.height;
    const short = (number) => number.toFixed(1);

    const drawFrame = () => {
      const {left, top} = BOX;
      const bottom = top + inner.height;
      const ticks = (axis) => (axis.log ? logTicks : linearTicks)(axis.low, axis.high);
      frame.replaceChildren(
        ...ticks(axes.x).flatMap(([value, text]) => [
          svg("path", {class: "grid", d: `M${left + px(value)} ${top}V${bottom}`}),
          svg("text", {x: left + px(value), y: bottom + 16, "text-anchor": "middle"}, text),
        ]),
        ...ticks(axes.y).flatMap(([value, text]) => [
          svg("path", {class: "grid", d: `M${left} ${top + py(value)}h${inner.width}`}),
          svg("text", {x: left - 6, y: top + py(value) + 4, "text-anchor": "end"}, text),
        ]),
        svg("path", {class: "axis", d: `M${left} ${top}V${bottom}h${inner.width}`}),
        svg("text", {x: left + inner.width / 2, y: BOX.height - 8,
          "text-anchor": "middle"}, axes.x.label),
        svg("text", {transform: `translate(13 ${top + inner.height / 2}) rotate(-90)`,
          "text-anchor": "middle"}, axes.y.label),
      );
    };

    const layer = (kind, name, legendName, path) => {
      const node = svg("path", {class: `${kind} ${name}`});
      area.append(node);
      if (legendName) {
        legend.append(html("span", {class: `key ${kind} ${name}`}, legendName));
      }
      let given = null;
      const render = () => node.setAttribute("d", given ? path(...given) : "");
      layers.push(render);
      return {
        node,
        draw: (...values) => {
          given = values;
          render();
        },
      };
    };

    const line = (xs, ys) => {
      let d = "";
      let pen = "M";
      for (let k = 0; k < xs.length; k++) {
        if (Number.isNaN(xs[k]) || Number.isNaN(ys[k])) {
          pen = "M";
          continue;
        }
        d += `${pen}${short(px(xs[k]))} ${short(py(ys[k]))}`;
        pen = "L";
      }
      return d;
    };
    const lines = (curves) => curves.map((curve) => line(...curve)).join("");
    const points = (xs, ys) => Array.from(xs, (value, k) =>
      Number.isFinite(value) && Number.isFinite(ys[k])
        ? `M${short(px(value))} ${short(py(ys[k]))}h0` : "").join("");
    const bars = (edges, heights) => Array.from(heights, (height, k) => height
      ? `M${short(px(edges[k]))} ${short(py(axes.y.low))}V${short(py(height))}`
        + `H${short(px(edges[k + 1]))}V${short(py(axes.y.low))}z` : "").join("");
    const upright = (value) => `M${short(px(value))} 0v${inner.height}`;

    drawFrame();
    picture.append(svg("g", {transform: `translate(${BOX.left} ${BOX.top})`}, note));
    return {
      node: html("div", {class: "panel"},
        html("p", {class: "title"}, title), picture, legend),
      area,
      px,
      py,
      line: (name, legendName) => layer("line", name, legendName, line),
      lines: (name, legendName) => layer("line", name, legendName, lines),
      points: (name, legendName) => layer("points", name, legendName, points),
      bars: (name, legendName) => layer("bars", name, legendName, bars),
      upright: (name, legendName) => layer("line", name, legendName, upright),
      scale: (changed) => {
        Object.assign(axes.x, changed.x);
        Object.assign(axes.y, changed.y);
        drawFrame();
        layers.forEach((render) => render());
      },
      note: (text) => { note.textContent = text; },
      describe: (text) => picture.setAttribute("aria-label", text),
    };
  };

  const controls = (...nodes) => html("div", {class: "controls"}, ...nodes);
  const panels = (...nodes) => html("div", {class: "panels"}, ...nodes);
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  const start = () => {
    for (const place of document.querySelectorAll(".explorable")) {
      const build = builds[place.dataset.script];
      const data = found[place.dataset.key];
      if (!build || !data) continue;
      const live = place.querySelector(".live");
      const root = html("div");
      try {
        build(root, unpack(data));
      } catch (error) {
        console.error(error); // the still figure stays
        continue;
      }
      live.append(root);
      live.hidden = false;
      place.classList.add("on");
    }
  };
  // Scripts with data are deferred, so they have run by then.
  document.addEventListener("DOMContentLoaded", start);

  return {
    data: (key, value) => { found[key] = value; },
    define: (name, build) => { builds[name] = build; },
    html, svg, unpack, write, raised,
    slider, choice, button, readout, sentence, plot, controls, panels, still,
  };
})();
