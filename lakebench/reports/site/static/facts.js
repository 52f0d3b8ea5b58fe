"use strict";
/* The first page, and those about changes, field reports, catalogs, runs, data and method. */
lakebench.facts = (store, router, elements, { stackPicker, upgradePicker, noTimes }) => {
  const { h, link, linked, number, counted, chip, engineLink, day, table, choice, form, code } = elements;
  const seg = router.segment,
    data = store.data;
  const age = (date) => {
    const days = Math.floor((Date.now() - Date.parse(date)) / 86400000);
    return days <= 0 ? "today" : days === 1 ? "yesterday" : `${number(days)} days ago`;
  };

  /* / */
  /* What is missing in the newest run of each kind; runs are in the order in which they started. */
  const missing = () =>
    [...new Map(data.runs.map((run) => [run.phases.join(" "), run])).values()].flatMap((run) =>
      run.alerts.map((text) => [run, text]),
    );
  const newest = () => {
    const found = new Map();
    for (const row of store.current) {
      const one = store.cell(row);
      for (const each of [one.writer, one.reader])
        if (each && (!found.get(each) || found.get(each) < one.source.date)) found.set(each, one.source.date);
    }
    return found;
  };
  const changeList = (limit, from = 0) => {
    const columns = data.changes,
      all = columns.case.map((_, row) => row).slice(from, from + limit);
    return h(
      "ul",
      { className: "changes" },
      all.map((row) => {
        const route =
          columns.feature[row] < 0
            ? null
            : [
                "cell",
                store.features[columns.feature[row]].id,
                store.split(columns.writer[row]).name,
                ...(columns.reader[row] ? [store.split(columns.reader[row]).name] : []),
              ]
                .map(seg)
                .join("/");
        const text = `${columns.case[row]}: ${columns.before[row]} → ${columns.after[row]}`;
        return h(
          "li",
          { className: columns.kind[row] },
          h("b", {}, columns.kind[row]),
          " ",
          route ? link(route, text) : text,
          h("span", { className: "note" }, ` ${day(store.sources[columns.source[row]].date)}`),
        );
      }),
    );
  };
  const home = () => {
    const absent = missing(),
      dates = [...newest()].sort((a, b) => a[0].name.localeCompare(b[0].name));
    const last = store.sources.reduce((best, one) => (one.date > best ? one.date : best), "");
    const groups = [...new Set(data.speed.group)];
    return {
      title: "Which lakehouse engine reads and writes what another wrote, at these versions, and how fast",
      node: [
        absent.length
          ? h(
              "div",
              { className: "alerts", role: "alert" },
              absent.map(([run, text]) => h("p", {}, h("b", {}, text), " ", link(`runs/${seg(run.id)}`, run.id))),
            )
          : null,
        h(
          "p",
          { className: "lead" },
          `${number(store.current.length)} cells of ${counted(store.features.length, "feature")}, newest result ${last ? `${age(last)} (${day(last)})` : "none"}. `,
          link("cells", "All cells"),
          ", ",
          link("feature", "all features"),
          ".",
        ),
        h(
          "div",
          { className: "cards" },
          h(
            "section",
            { className: "card", "aria-labelledby": "ask-stack" },
            h("h2", { id: "ask-stack" }, "My stack"),
            h("p", {}, "What must I avoid?"),
            stackPicker(new URLSearchParams(), "What to avoid"),
          ),
          h(
            "section",
            { className: "card", "aria-labelledby": "ask-upgrade" },
            h("h2", { id: "ask-upgrade" }, "My upgrade"),
            h("p", {}, "What breaks, what is mended?"),
            upgradePicker("", "What breaks"),
          ),
          h(
            "section",
            { className: "card", "aria-labelledby": "ask-speed" },
            h("h2", { id: "ask-speed" }, "Fastest that is right"),
            h("p", {}, "Only a verified answer has a time, and only a difference beyond the noise of the samples makes an engine the fastest."),
            groups.length
              ? form(
                  "speed",
                  [
                    choice(
                      "g",
                      "On",
                      groups.map((one) => [one, one]),
                      groups[0],
                    ),
                  ],
                  { submit: "Who is fastest" },
                )
              : noTimes(),
          ),
        ),
        h("h2", {}, "Last changes"),
        data.changes.case.length
          ? [
              changeList(12),
              h(
                "p",
                {},
                data.changes.case.length > 12
                  ? [link("changes", `All ${number(data.changes.case.length)} changes`), router.single ? null : " · "]
                  : null,
                router.single
                  ? null
                  : h("a", { href: router.file("feed.xml"), type: "application/atom+xml" }, "Atom feed"),
              ),
            ]
          : h("p", {}, "None between the sources that this site was made from."),
        h("h2", {}, "How old each result is"),
        table(
          "How old each result is",
          ["engine", "version", "newest result"],
          dates.map(([one, date]) => [engineLink(one), one.version, `${day(date)}, ${age(date)}`]),
          { visible: false },
        ),
      ],
    };
  };
  const changes = () => ({
    title: "Changes",
    node: [h("p", { className: "lead" }, "From one run to the next, the newest first."), changeList(Infinity)],
  });

  /* /reports, /runs, /data, /method */
  const figures = (values) =>
    Object.entries(values)
      .map(([name, value]) => `${name}: ${typeof value === "number" ? `${value.toPrecision(3)} s` : value}`)
      .join("; ") || "–";
  const MARKS = {
    reproduced: "P",
    "direction only": "R",
    "not reproduced": "W",
    "out of date": "W",
    "could not run here": "U",
  };
  const reports = () => ({
    title: "Field reports",
    node: [
      h(
        "p",
        { className: "lead" },
        "What others report, and whether it is so here. Their numbers are from their machines.",
      ),
      table(
        "Field reports",
        ["report", "what it says", "verdict", "theirs", "ours", "detail"],
        data.reports.map((one) => [
          one.id,
          one.statement ? linked(one.statement) : `a question of ${one.phase}`,
          one.verdict
            ? h("span", { className: `chip ${MARKS[one.verdict] ?? "U"}` }, one.verdict)
            : [h("span", { className: "note" }, "no run of it here: "), h("code", {}, `lakebench run ${one.phase}`)],
          figures(one.theirs),
          figures(one.ours),
          one.detail ? linked(one.detail) : "–",
        ]),
        { visible: false },
      ),
    ],
  });
  const CHANGES = {
    worse: "Worse than accepted",
    better: "Better than accepted",
    new: "New, not accepted yet",
    gone: "Gone: accepted, and did not run",
  };
  const runs = () => ({
    title: "Runs",
    node: [
      data.runs.length
        ? table(
            "Runs",
            ["run", "phases", "started", "ended", "what is missing"],
            [...data.runs]
              .reverse()
              .map((one) => [
                link(`runs/${seg(one.id)}`, one.id),
                one.phases.join(" "),
                one.started.replace("T", " ").slice(0, 16),
                `${one.status}${one.exit === null ? "" : `, exit code ${one.exit}`}`,
                one.alerts.join("; ") || "nothing",
              ]),
          )
        : h(
            "p",
            {},
            "This site was made without a run: it shows the outcomes that lakebench ships as accepted. With runs: ",
            h("code", {}, "lakebench site RUN --output site"),
          ),
      h("h2", {}, "Accepted outcomes"),
      table(
        "Accepted outcomes",
        ["from the run", "on", "why"],
        store.sources.filter((one) => one.accepted).map((one) => [one.id, day(one.date), one.reason]),
        { visible: false },
      ),
    ],
  });
  const REPORTS = {
    "report.html": "the report",
    "interop.html": "its matrix",
    "report.md": "as Markdown",
    "summary.md": "in short",
  };
  const reportsOf = (one) =>
    router.single
      ? null
      : one.reports.length
        ? h(
            "p",
            {},
            one.reports.map((name, index) => [
              index ? " · " : "The whole run: ",
              h("a", { href: router.file(`runs/${seg(one.id)}/${name}`) }, REPORTS[name] ?? name),
            ]),
            ".",
          )
        : h(
            "p",
            { className: "note" },
            "Its report did not lie beside its records. With it: ",
            h("code", {}, `lakebench report ${one.id}`),
            ", then the site again.",
          );
  const run = ([, id]) => {
    const one = data.runs.find((each) => seg(each.id) === id);
    if (!one)
      return {
        title: "Not here",
        node: [h("p", {}, `No run is called “${id}” here.`), h("p", {}, link("runs", "All runs"))],
      };
    const facts = (entries) => entries.map(([name, value]) => [name, value]);
    return {
      title: `Run ${one.id}`,
      node: [
        one.alerts.length
          ? h(
              "div",
              { className: "alerts", role: "alert" },
              one.alerts.map((text) => h("p", {}, h("b", {}, text))),
            )
          : null,
        h(
          "p",
          { className: "lead" },
          `${one.phases.join(" ")}, started ${one.started.replace("T", " ").slice(0, 16)}, ${one.status}${one.exit === null ? "" : `, exit code ${one.exit}`}.`,
        ),
        code(one.command),
        reportsOf(one),
        h("h2", {}, "Outcomes"),
        h(
          "p",
          {},
          Object.entries(one.outcomes).map(([name, amount]) => [
            chip(
              store.states.find((each) => each.name === name),
              `${name} ${number(amount)}`,
            ),
            " ",
          ]),
        ),
        Object.entries(one.changes)
          .filter(([, lines]) => lines.length)
          .map(([kind, lines]) => [
            h("h2", {}, `${CHANGES[kind] ?? kind} (${number(lines.length)})`),
            h(
              "ul",
              { className: "changes" },
              lines.slice(0, 200).map(([name, change]) => h("li", { className: kind }, `${name}: ${change}`)),
              lines.length > 200 ? h("li", {}, `and ${number(lines.length - 200)} more`) : null,
            ),
          ]),
        h("h2", {}, "Engines"),
        table(
          "Engines",
          ["engine", "versions", "why it did not run"],
          one.engines.map(([name, versions, reason]) => [name, versions || "–", reason || "–"]),
          { visible: false },
        ),
        h("h2", {}, "Machine"),
        table(
          "Machine",
          ["fact", "value"],
          facts([
            ...Object.entries(one.machine),
            ...Object.entries(one.harness).map(([name, value]) => [`lakebench ${name}`, value]),
          ]),
          { visible: false },
        ),
      ],
    };
  };
  const FILES = [
    ["cells.parquet", "every cell of every source"],
    ["cases.parquet", "every case of every phase and source"],
    ["times.parquet", "seconds of verified answers, by engine and query"],
    ["schema.json", "the columns of these files: name, type and meaning"],
    ["site.json", "what the pages themselves are drawn from"],
  ];
  const files = () => ({
    title: "Data",
    node: router.single
      ? h(
          "p",
          {},
          "This is the site in one file. The folder that ",
          h("code", {}, "lakebench site --output site"),
          " writes has the data as Parquet.",
        )
      : [
          h("p", { className: "lead" }, "Everything on this site as files."),
          h(
            "ul",
            {},
            FILES.map(([name, what]) =>
              h("li", {}, h("a", { href: router.file(`data/${name}`), download: name }, name), `: ${what}`),
            ),
          ),
        ],
  });
  const method = () => ({
    title: "How it was measured",
    node: [
      h("h2", {}, "A cell"),
      h(
        "p",
        {},
        "A feature is a small program of neutral operations, with its rows and reads. Each writer carries it out in its own way, on real servers. An inspector of ours must find the feature in the metadata and files. Each reader answers the reads, and every row is compared with an oracle that carried out the same program. Whose fault a failure is, decides the evidence: a read of a wrong table counts for the writer.",
      ),
      h("h2", {}, "Outcomes"),
      h(
        "dl",
        {},
        store.states.map((one) => [h("dt", {}, chip(one)), h("dd", {}, one.meaning)]),
      ),
      h("h2", {}, "Verdicts"),
      h(
        "p",
        {},
        "A verdict holds an outcome against what the engine's own documents claim: as claimed, better than claimed, a broken claim, or unknown where no document speaks of it.",
      ),
      h("h2", {}, "My stack"),
      h(
        "p",
        {},
        "A feature is to be avoided where the writer cannot write it or writes it wrong, or where a reader refuses it, fails at it, or reads it silently wrong. What was not measured is counted apart, and never as fine.",
      ),
      h("h2", {}, "Times"),
      h(
        "p",
        {},
        "Only a verified answer has a time. Engines are ranked by the geometric mean over the queries that all of them got right; medians have a 95 % interval by bootstrap, from five samples on. A spread over 10 % is unstable. Times of different machines are not compared.",
      ),
      h("h2", {}, "What is accepted"),
      h(
        "p",
        {},
        "Outcomes marked as accepted are those of an earlier run that somebody looked at; the versions are those of that run.",
      ),
      h("h2", {}, "This site"),
      h(
        "p",
        {},
        `Made on ${data.made.replace("T", " ").slice(0, 16)} UTC. It asks the network for nothing but its own files, keeps nothing in your browser, and counts no visits.`,
      ),
    ],
  });
  return { home, changes, reports, runs, run, files, method };
};
