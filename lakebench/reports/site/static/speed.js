"use strict";
/* The fastest that is right. */
lakebench.speed = (store, router, elements) => {
  const { h, link, chip, day, table, choice, form, bar } = elements;
  const seg = router.segment,
    data = store.data,
    plot = lakebench.plot(elements);
  const noTimes = () =>
    h(
      "p",
      {},
      "No run with times is on this site. This measures them: ",
      h("code", {}, "lakebench run phase3 --storage s3"),
    );
  /* /speed */
  const speed = (_parts, query) => {
    const columns = data.speed,
      groups = [...new Set(columns.group)];
    if (!groups.length) return { title: "Speed", node: noTimes() };
    const result = h("div", {}, speedAnswer(query));
    const box = (name, title) =>
      h(
        "label",
        { className: "field" },
        h("input", { type: "checkbox", name, value: "1", checked: query.get(name) === "1" }),
        ` ${title}`,
      );
    return {
      title: "Fastest that is right",
      node: [
        h(
          "p",
          { className: "lead" },
          "Engines ranked by the geometric mean of their times over the queries that all of them got right, warm or cold.",
        ),
        h(
          "p",
          { className: "note" },
          "One choice is one phase, storage, format, size of data and machine: times of different machines are never ranked together.",
        ),
        form("speed", [
          choice(
            "g",
            "on",
            groups.map((one) => [one, one]),
            query.get("g") ?? groups[0],
          ),
          choice(
            "q",
            "over time",
            [["", "the query of the newest step"], ...[...new Set(columns.query)].map((one) => [one, one])],
            query.get("q") ?? "",
          ),
          box("cold", "cold times"),
          box("stable", "hide unstable times"),
        ]),
        result,
      ],
      update: (next) => result.replaceChildren(...speedAnswer(next).flat(Infinity).filter(Boolean)),
    };
  };
  const rowsOf = (group) => data.speed.group.flatMap((one, row) => (one === group ? [row] : []));
  const seconds = (value) => (value === null ? "–" : `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} s`);
  const speedAnswer = (query) => {
    const columns = data.speed,
      group = query.get("g") ?? columns.group[0],
      kind = query.get("cold") === "1" ? "cold" : "warm",
      stable = query.get("stable") === "1";
    const rows = rowsOf(group),
      time = (row) => (stable && columns.unstable[row] && kind === "warm" ? null : columns[kind][row]);
    const nameOf = (row) => `${columns.engine[row]} ${columns.version[row]}`;
    const names = [...new Set(rows.map(nameOf))],
      queries = [...new Set(rows.map((row) => columns.query[row]))];
    const at = new Map(rows.map((row) => [`${nameOf(row)}\n${columns.query[row]}`, row]));
    const of = (name, one) => at.get(`${name}\n${one}`);
    const right = (name) =>
      queries.filter((one) => of(name, one) !== undefined && columns.outcome[of(name, one)] === "PASS").length;
    const timed = names.filter((name) =>
      queries.some((one) => of(name, one) !== undefined && time(of(name, one)) !== null),
    );
    /* Whether the samples show who is the fastest, is decided where the site is made. */
    const made = data.rankings.find((one) => one.group === group && one.kind === (kind === "warm" && stable ? "stable" : kind));
    const ranked = made.engines;
    const slowest = ranked.length ? ranked[ranked.length - 1][1] : 1;
    const order = ranked.length
      ? [...ranked.map(([name]) => name), ...names.filter((name) => !timed.includes(name))]
      : names;
    const best = (one) =>
      Math.min(...timed.map((name) => (of(name, one) === undefined ? Infinity : (time(of(name, one)) ?? Infinity))));
    const heat = (name, one) => {
      const row = of(name, one);
      if (row === undefined) return "–";
      if (columns.outcome[row] !== "PASS") return chip(store.states.find((each) => each.name === columns.outcome[row]));
      const value = time(row);
      if (value === null) return "–";
      const ratio = value / best(one),
        step = [1.25, 2, 5, 20].findIndex((limit) => ratio <= limit);
      const interval =
        kind === "warm" && columns.low[row] !== null
          ? `, 95 % interval ${seconds(columns.low[row])} to ${seconds(columns.high[row])}, n ${columns.n[row]}`
          : "";
      return h(
        "span",
        { className: `heat heat${step < 0 ? 4 : step}`, title: `${name}, ${one}: ${seconds(value)}${interval}` },
        seconds(value),
        columns.cached[row] && kind === "warm"
          ? h("abbr", { title: "from the engine's own memory: the store was asked for nothing" }, " m")
          : null,
        columns.unstable[row] && kind === "warm"
          ? h("abbr", { title: "unstable: the spread is over 10 %" }, " ±")
          : null,
      );
    };
    return [
      h(
        "p",
        { className: `verdict ${made.shown ? "good" : "fair"}`, role: "status" },
        `${made.verdict}${ranked.length ? ` Times are ${kind}. ${ranked[0][0]} got ${right(ranked[0][0])} of ${queries.length} right.` : ""}`,
      ),
      ranked.length
        ? table(
            `Geometric mean, ${kind}`,
            ["engine", "time", "ratio to the least, 95 % interval", "right answers"],
            ranked.map(([name, value, ratio]) => [
              name,
              bar(value / slowest, seconds(value)),
              ratio,
              `${right(name)} of ${queries.length}`,
            ]),
            { layout: "ranking" },
          )
        : null,
      table(
        `Every query, ${kind}`,
        ["query", ...order],
        queries.map((one) => [one, ...order.map((name) => heat(name, one))]),
        {
          layout: "matrix",
          notes: [
            "The darker, the further from the least of its line. m: answered from the engine's own memory; ±: unstable, its spread is over 10 %.",
          ],
        },
      ),
      overTime(group, query.get("q")),
      h(
        "p",
        { className: "note" },
        "From ",
        [...new Set(rows.map((row) => columns.run[row]))].map((run, index) => [
          index ? ", " : "",
          link(`runs/${seg(run)}`, run),
        ]),
        ". Derived from TPC-H and ClickBench where it says so; not comparable to published results.",
      ),
    ];
  };

  /* How times of the group went over the runs; the steps are those of `lakebench history`. */
  const rowsWhere = (columns, fits) => columns.group.flatMap((_, row) => (fits(row) ? [row] : []));
  const overTime = (group, chosen) => {
    const { points, steps } = data.history;
    const own = rowsWhere(steps, (row) => steps.group[row] === group);
    const inGroup = rowsWhere(points, (row) => points.group[row] === group);
    const name = chosen || (own.length ? steps.query[own[0]] : points.query[inGroup[0]]);
    const rows = inGroup.filter((row) => points.query[row] === name);
    if (new Set(rows.map((row) => points.run[row])).size < 2)
      return [
        h("h2", {}, "Over time"),
        h("p", {}, "One run alone has these times. A folder of nights gives trends: ", h("code", {}, "lakebench site runs/* --output site")),
      ];
    const stepAt = new Map(own.map((row) => [`${steps.engine[row]}\n${steps.query[row]}\n${steps.run[row]}`, row]));
    const lines = [...new Set(rows.map((row) => points.engine[row]))].sort().map((engine) => ({
      name: engine,
      points: rows
        .filter((row) => points.engine[row] === engine)
        .map((row) => {
          const step = stepAt.get(`${engine}\n${name}\n${points.run[row]}`);
          return {
            date: points.date[row],
            run: points.run[row],
            value: points.seconds[row],
            step: step === undefined ? "" : `a step: ${steps.changed[step]}`,
          };
        }),
    }));
    return [
      h("h2", {}, "Over time"),
      own.length
        ? table(
            "Steps, the newest first",
            ["query and engine", "run", "before", "now", "ratio", "95 % interval", "confirmed", "what changed with it"],
            own.map((row) => [
              link(`speed?${new URLSearchParams({ g: group, q: steps.query[row] })}`, `${steps.query[row]}, ${steps.engine[row]}`),
              link(`runs/${seg(steps.run[row])}`, day(steps.date[row])),
              seconds(steps.before[row]),
              seconds(steps.now[row]),
              steps.ratio[row],
              steps.low[row] === null ? "n too small" : `${steps.low[row]} to ${steps.high[row]}`,
              steps.confirmed[row] ? "yes" : "waits for the next run",
              steps.changed[row],
            ]),
            {
              layout: "figures",
              notes: [
                "A step is more than 10 % and 5 ms, beyond the noise of the samples, and shown by two runs on the same machine and data.",
              ],
            },
          )
        : h("p", {}, "No time of these steps: all differences are within 10 %, 5 ms or the noise of the samples."),
      plot(`${name} over time, median; a ring marks a step`, lines, seconds),
    ];
  };

  return { noTimes, speed };
};
