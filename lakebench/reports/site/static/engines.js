"use strict";
/* The pages about engines and their upgrades. */
lakebench.engines = (store, router, elements, shared) => {
  const { h, link, linked, number, counted, chip, label, engineLink, day, table, choice, form, code } = elements;
  const { unknown, cellLink, pairName } = shared;
  const seg = router.segment;

  /* /engine */
  const engines = () => ({
    title: "Engines",
    node: table(
      "Engines and versions",
      ["engine", "what it is", "passed, of its own judged cells", "silently wrong", "broken claims", "measured on"],
      store.engines("engine").flatMap((list) =>
        list.map((one) => {
          const own = store.own(one.name, one.version),
            score = store.score(own);
          return [
            engineLink(one),
            one.title,
            score.judged.length ? `${number(score.passed.length)} of ${number(score.judged.length)}` : "–",
            score.wrong.length,
            score.broken.length,
            own.length
              ? day(
                  own.reduce(
                    (newest, row) => (store.cell(row).source.date > newest ? store.cell(row).source.date : newest),
                    "",
                  ),
                )
              : "–",
          ];
        }),
      ),
      { layout: "figures", visible: false },
    ),
  });
  const engine = ([, part]) => {
    const [name, version] = [part.slice(0, part.lastIndexOf("@")), part.slice(part.lastIndexOf("@") + 1)];
    const known = store.versions.filter((one) => seg(one.name) === (name || part));
    const one = known.find((each) => seg(each.version) === version) ?? (name ? undefined : known[0]);
    if (!one) return unknown("engine", part, "engine", "All engines");
    const score = store.score(store.own(one.name, one.version));
    const claimed = (row) => {
      const claim = store.claim(row);
      return claim ? [claim.support, claim.since ? ` since ${claim.since}` : "", ": ", linked(claim.source)] : "–";
    };
    const lines = (rows) =>
      rows.map((row) => {
        const each = store.cell(row);
        return [
          link(`feature/${seg(each.feature.id)}`, each.feature.title),
          pairName(each),
          cellLink(row),
          claimed(row),
          each.reason || each.known || "–",
        ];
      });
    const section = (title, rows) =>
      rows.length
        ? [
            h("h2", {}, `${title} (${number(rows.length)})`),
            table(title, ["feature", "cell", "outcome", "claim", "what was said"], lines(rows), { visible: false }),
          ]
        : null;
    /* A claim is kept by many cells: one line has the cells of a feature and a side. */
    const kept = (rows) => {
      const claims = new Map();
      for (const row of rows) {
        const each = store.cell(row),
          key = `${each.feature.id} ${each.reader ? "reads" : "writes"}`;
        claims.set(key, [...(claims.get(key) ?? []), row]);
      }
      if (!claims.size) return null;
      const counterpart = (row) => (store.cell(row).reader ? `from ${store.cell(row).writer.name}` : store.cell(row).state.name);
      return [
        h("h2", {}, `Claims kept (${number(rows.length)})`),
        table(
          "Claims kept",
          ["feature", "side", "claim", "cells that keep it"],
          [...claims.values()].map((own) => {
            const { feature, reader } = store.cell(own[0]);
            return [
              link(`feature/${seg(feature.id)}`, feature.title),
              reader ? "reads" : "writes",
              claimed(own[0]),
              own.map((row) => [cellLink(row, counterpart(row)), " "]),
            ];
          }),
          { visible: false },
        ),
      ];
    };
    const counts = store.data.phases,
      phases = new Map();
    counts.engine.forEach((index, row) => {
      if (store.versions[index].name === one.name && store.versions[index].version === one.version) {
        const at = phases.get(counts.phase[row]) ?? [];
        at.push([store.states[counts.state[row]], counts.cases[row]]);
        phases.set(counts.phase[row], at);
      }
    });
    const pairs = store.pairs().filter((each) => each.name === one.name);
    const notBroken = score.broken.filter((row) => !score.wrong.includes(row));
    return {
      title: `${one.title} ${one.version}`,
      node: [
        h("p", { className: "lead" }, one.components || label(one)),
        h(
          "p",
          { className: `verdict ${score.wrong.length ? "bad" : score.broken.length ? "fair" : "good"}` },
          score.judged.length
            ? `${number(score.passed.length)} of ${counted(score.judged.length, "own cell")} passed; ${number(score.wrong.length)} silently wrong; ${counted(score.broken.length, "claim")} broken, ${number(score.kept.length)} kept, ${number(score.better.length)} better than claimed.`
            : "No cell of the matrix is judged for it.",
        ),
        h(
          "p",
          { className: "note" },
          "Its own faults alone: a read of a wrong table counts for the writer, and what was not written counts for no reader.",
        ),
        section("Silently wrong", score.wrong),
        section("Broken claims, besides wrong answers", notBroken),
        section("Better than claimed", score.better),
        kept(score.kept),
        h("h2", {}, "In every phase"),
        table(
          "In every phase",
          ["phase", "cases by outcome"],
          [...phases].map(([phase, found]) => [
            phase,
            found.map(([state, amount]) => [chip(state, `${state.name} ${number(amount)}`), " "]),
          ]),
          { visible: false },
        ),
        pairs.length
          ? [
              h("h2", {}, "Upgrades"),
              h(
                "ul",
                {},
                pairs.map((each) => h("li", {}, link(upgradeRoute(each), `${each.from} to ${each.to}`))),
              ),
            ]
          : null,
      ],
    };
  };

  /* /upgrade */
  const upgradeRoute = (one) => `upgrade/${seg(one.name)}/${seg(one.from)}...${seg(one.to)}`;
  const upgradePicker = (chosen, submit = "") => {
    const pairs = store.pairs();
    return pairs.length
      ? form(
          (values) => values.get("u"),
          [
            choice(
              "u",
              "I upgrade",
              pairs.map((one) => [upgradeRoute(one), `${one.name} ${one.from} to ${one.to}`]),
              chosen,
            ),
          ],
          { submit },
        )
      : h(
          "p",
          {},
          "No engine was measured at two versions yet. Two versions side by side: ",
          h("code", {}, "lakebench upgrade duckdb 1.4.4 1.5.5 --measure"),
        );
  };
  const upgrades = () => ({
    title: "My upgrade",
    node: [
      h(
        "p",
        { className: "lead" },
        "What breaks, is mended and is new from one version of an engine to another, with every counterpart at its newest.",
      ),
      upgradePicker("", "Show"),
    ],
  });
  const ALWAYS = ["broken", "mended", "new"];
  const said = ({ changes, same, unknown }) => {
    const told = changes.filter(({ kind, rows }) => rows.length || ALWAYS.includes(kind.name));
    const counts = told.map(({ kind, rows }) => `${number(rows.length)} ${kind.name}`).join(", ");
    return `${counts}; ${number(same)} as before${unknown ? `, ${number(unknown)} known at one version alone` : ""}.`;
  };
  const upgrade = ([, name, pair]) => {
    const [from, to] = pair.split("..."),
      engine = store.nameOf(name);
    const at = (part) => store.versions.find((one) => one.name === engine && seg(one.version) === part)?.version;
    const made = engine && store.upgrade(engine, at(from), at(to ?? ""));
    if (!made)
      return {
        title: "Not measured",
        node: [
          h("p", {}, `${name} was not measured at both ${from} and ${to}. This measures it:`),
          code(`lakebench upgrade ${name} ${from} ${to} --measure`),
          h("p", {}, link("upgrade", "Upgrades that were measured")),
        ],
      };
    /* The engine at the other end, where it is not the same version on both sides: the change may be its own. */
    const other = ({ before, after }) => {
      if (before < 0 || after < 0) return "";
      const [was, is] = [store.cell(before), store.cell(after)].map((one) =>
        [one.writer, one.reader].find((each) => each && each.name !== engine),
      );
      return was && is && was.version !== is.version ? ` (${was.name} ${was.version}, then ${is.version})` : "";
    };
    const line = ({ before, after }) => {
      const one = store.cell(after < 0 ? before : after);
      return [
        link(`feature/${seg(one.feature.id)}`, one.feature.title),
        `${pairName(one)}${other({ before, after })}`,
        before < 0 ? "not measured" : cellLink(before),
        after < 0 ? "not measured" : cellLink(after),
        one.reason || "–",
      ];
    };
    const section = (kind, rows) => [
      h("h2", {}, `${kind[0].toUpperCase()}${kind.slice(1)} (${number(rows.length)})`),
      rows.length
        ? table(kind, ["feature", "cell", from, to, "what was said"], rows.map(line), { visible: false })
        : h("p", {}, "None."),
    ];
    const speeds = store.data.ratios.filter(
      (one) => one.engine === engine && one.from === at(from) && one.to === at(to),
    );
    return {
      title: `${engine} ${from} to ${to}`,
      node: [
        h("p", { className: `verdict ${made.changes.some(({ kind, rows }) => kind.bad && rows.length) ? "bad" : "good"}` }, said(made)),
        made.changes.map(({ kind, rows }) => (rows.length || ALWAYS.includes(kind.name) ? section(kind.name, rows) : null)),
        h("h2", {}, "Speed"),
        speeds.length
          ? table(
              "Speed",
              ["what", "queries", "time, new over old", "95 % interval", "verdict"],
              speeds.map((one) => [
                one.group,
                one.queries,
                one.ratio,
                one.low === null ? "n too small" : `${one.low} to ${one.high}`,
                one.verdict,
              ]),
              { layout: "figures", visible: false },
            )
          : h("p", {}, "No run here has verified times of both versions."),
        h("h2", {}, "Another upgrade"),
        upgradePicker(`upgrade/${name}/${pair}`, "Show"),
      ],
    };
  };
  return { engines, engine, upgrades, upgrade, upgradePicker };
};
