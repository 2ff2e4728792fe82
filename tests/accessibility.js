"use strict";
// What tests/accessibility.py asks of a page; every function returns its findings.

const visible = (part) =>
  part.checkVisibility({visibilityProperty: true, opacityProperty: true})
  && !part.closest("details:not([open]) > :not(summary)")
  && part.getBoundingClientRect().width > 0;

const name = (part) => {
  const own = part.id ? "#" + part.id : part.getAttribute("class");
  const text = part.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
  return `<${part.localName}${own ? " " + own : ""}> ${text}`;
};

const scrolls = (part) =>
  ["auto", "scroll"].includes(getComputedStyle(part).overflowX)
  && part.scrollWidth > part.clientWidth + 1;

const texts = () => [...document.querySelectorAll("body *")].filter((part) =>
  !["script", "style", "title"].includes(part.localName)
  && [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
  && visible(part));

const overflow = () => {
  const page = document.documentElement;
  const found = [];
  if (page.scrollWidth > page.clientWidth) {
    found.push(`the page is ${page.scrollWidth} pixels wide, of ${page.clientWidth}`);
  }
  for (const part of document.querySelectorAll("body, body :not(svg *)")) {
    const style = getComputedStyle(part);
    const wide = part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0;
    const cut = style.overflowX !== "visible" && !scrolls(part);
    // What only a screen reader is to find is cut off on purpose.
    const meant = style.clipPath !== "none" || style.position === "absolute";
    if (wide && cut && !meant && visible(part)) {
      found.push(`${name(part)} hides what it has no room for`);
    }
  }
  return found;
};

const small = (least) => {
  const scale = (part) => {
    const matrix = part.ownerSVGElement ? part.getScreenCTM() : null;
    return matrix ? Math.hypot(matrix.a, matrix.b) : 1;
  };
  return texts()
    .map((part) => [part, parseFloat(getComputedStyle(part).fontSize) * scale(part)])
    .filter(([, size]) => size < least - 0.05)
    .map(([part, size]) => `${name(part)} has letters of ${size.toFixed(1)} pixels`);
};

const dot = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});

const rgba = (colour) => {
  dot.clearRect(0, 0, 1, 1);
  dot.fillStyle = colour;
  dot.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = dot.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, alpha / 255];
};

const over = (top, bottom) =>
  [0, 1, 2].map((at) => top[at] * top[3] + bottom[at] * (1 - top[3])).concat(1);

const linear = (value) =>
  value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;

const luminance = ([red, green, blue]) =>
  0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);

const paper = () => {
  const sheet = document.createElement("div");
  sheet.style.backgroundColor = "Canvas";
  document.body.append(sheet);
  const colour = rgba(getComputedStyle(sheet).backgroundColor);
  sheet.remove();
  return [document.documentElement, document.body].reduce(
    (below, part) => over(rgba(getComputedStyle(part).backgroundColor), below), colour);
};

// What an SVG has drawn where the middle of a text is, topmost first; null for images.
const drawn = (part) => {
  part.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
  const box = part.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const layers = [];
  for (const other of document.elementsFromPoint(x, y)) {
    if (other.localName === "image") return null;
    const style = getComputedStyle(other);
    const shape = other.ownerSVGElement && !["text", "tspan"].includes(other.localName);
    if (!shape || style.fill === "none" || style.fill.startsWith("url")) continue;
    const colour = rgba(style.fill);
    colour[3] *= style.fillOpacity * style.opacity;
    layers.push(colour);
  }
  return layers;
};

const behind = (part) => {
  const layers = part.ownerSVGElement ? drawn(part) : [];
  if (layers === null) return null;
  for (let at = part; at; at = at.parentElement) {
    if (!at.ownerSVGElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
  }
  return layers.reduceRight((below, layer) => over(layer, below), paper());
};

const contrast = (least) => {
  const found = [];
  for (const part of texts()) {
    const back = behind(part);
    if (back === null) continue;
    const style = getComputedStyle(part);
    const ink = rgba(part.ownerSVGElement ? style.fill : style.color);
    if (part.ownerSVGElement) ink[3] *= style.fillOpacity;
    for (let at = part; at; at = at.parentElement) ink[3] *= getComputedStyle(at).opacity;
    const both = [luminance(over(ink, back)), luminance(back)];
    const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    if (ratio < least) found.push(`${name(part)} has a contrast of ${ratio.toFixed(2)}`);
  }
  return found;
};

// Every part that the tabulator must reach: its name, and the name of its radio group.
const reachable = () => {
  const wanted = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  const parts = [...document.querySelectorAll("body *")].filter((part) =>
    !part.ownerSVGElement && !part.disabled && visible(part)
    && (part.matches(wanted) || scrolls(part)));
  parts.forEach((part, at) => { part.dataset.reach = at; });
  return parts.map((part) => [name(part), part.type === "radio" ? part.name : ""]);
};

const toTheBeginning = () => {
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
};

// The part that has the focus: its number in `reachable`, whether one sees it, its name.
const focused = () => {
  const part = document.activeElement;
  if (!part || part === document.body) return null;
  const style = getComputedStyle(part);
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return [part.dataset.reach ?? "", seen, name(part)];
};

const pictures = () => {
  const label = (part) => (part.getAttribute("aria-label") ?? part.getAttribute("alt")
    ?? [...part.children].find((child) => child.localName === "title")?.textContent
    ?? document.getElementById(part.getAttribute("aria-labelledby"))?.textContent
    ?? "").trim();
  return [...document.querySelectorAll("svg, img, canvas, video")]
    .filter((part) => !part.parentElement.closest("svg"))
    .filter((part) => !part.closest("[aria-hidden]") && visible(part))
    .filter((part) => part.localName !== "img" || part.getAttribute("alt") !== "")
    .filter((part) =>
      !label(part) || (part.localName === "svg" && part.getAttribute("role") !== "img"))
    .map((part) => `${name(part)} is not described`);
};

const headings = () => {
  const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
    .filter(visible).map((part) => [Number(part.localName[1]), name(part)]);
  const first = levels.filter(([level]) => level === 1);
  const found = first.length === 1 ? [] : ["there must be one <h1>"];
  levels.forEach(([level, text], at) => {
    if (level > (at ? levels[at - 1][0] : 0) + 1) found.push(`${text} skips a level`);
  });
  return found;
};

const names = () => {
  const seen = new Set();
  const found = [];
  for (const part of document.querySelectorAll("[id]")) {
    if (seen.has(part.id)) found.push(`${part.id} names two elements`);
    seen.add(part.id);
  }
  for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
    for (const part of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of part.getAttribute(attribute).split(" ")) {
        if (id && !seen.has(id)) found.push(`${attribute} of ${name(part)}: no ${id}`);
      }
    }
  }
  return found;
};

const links = () => [...document.querySelectorAll("a[href]")].map((part) => part.href);
