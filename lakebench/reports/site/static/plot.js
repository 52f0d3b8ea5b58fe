"use strict";
/* Lines over time as SVG, which scales, prints and takes the page's colours; the same values are in a table below. */
lakebench.plot = (elements) => {
  const { h, day, table } = elements;
  const WIDTH = 900,
    HEIGHT = 260,
    LEFT = 56,
    RIGHT = 12,
    TOP = 12,
    BOTTOM = 28;
  const svg = (tag, properties, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  /* Round values that divide the range up to `most`, zero first. */
  const ticks = (most) => {
    const rough = most / 4,
      power = 10 ** Math.floor(Math.log10(rough)),
      step = power * ([1, 2, 5].find((one) => one * power >= rough) ?? 10);
    return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => Number((index * step).toPrecision(6)));
  };
  /* `lines`: name and points {date, run, value, step}; a point with a `step` has a ring, and its text as a title. */
  const plot = (caption, lines, format) => {
    const dates = [...new Set(lines.flatMap((one) => one.points.map((point) => point.date)))].sort();
    const most = Math.max(...lines.flatMap((one) => one.points.map((point) => point.value)), 1e-9) * 1.1;
    const x = (date) => LEFT + ((dates.indexOf(date) + 0.5) / dates.length) * (WIDTH - LEFT - RIGHT),
      y = (value) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - TOP - BOTTOM);
    const grid = ticks(most).map((value) =>
      svg(
        "g",
        { class: "tick" },
        svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
        svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, format(value)),
      ),
    );
    const shown = dates.filter((_, index) => index % Math.ceil(dates.length / 8) === 0);
    const days = shown.map((date) =>
      svg("text", { x: x(date), y: HEIGHT - 8, "text-anchor": "middle", class: "tick" }, day(date)),
    );
    const drawn = lines.map((one, index) =>
      svg(
        "g",
        { class: `line line${index % 8}` },
        svg("polyline", { points: one.points.map((point) => `${x(point.date)},${y(point.value)}`).join(" ") }),
        ...one.points.flatMap((point) => [
          ...(point.step ? [svg("circle", { cx: x(point.date), cy: y(point.value), r: 8, class: "ring" })] : []),
          svg(
            "circle",
            { cx: x(point.date), cy: y(point.value), r: 3.5 },
            svg("title", {}, `${one.name}, ${day(point.date)}: ${format(point.value)}${point.step ? `; ${point.step}` : ""}`),
          ),
        ]),
      ),
    );
    const runs = [...new Map(lines.flatMap((one) => one.points.map((point) => [point.date, point.run])))].sort();
    const at = (one, date) => one.points.find((point) => point.date === date);
    return h(
      "figure",
      { className: "plot" },
      h("figcaption", {}, caption),
      svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${caption}; the table has the values` }, ...grid, ...days, ...drawn),
      h(
        "ul",
        { className: "keys" },
        lines.map((one, index) => h("li", { className: `key line${index % 8}` }, one.name)),
      ),
      h(
        "details",
        {},
        h("summary", {}, "The values"),
        table(
          caption,
          ["run", ...lines.map((one) => one.name)],
          runs.map(([date, run]) => [
            `${day(date)}, ${run}`,
            ...lines.map((one) => (at(one, date) ? format(at(one, date).value) : "–")),
          ]),
          { layout: "figures", visible: false },
        ),
      ),
    );
  };
  return plot;
};
