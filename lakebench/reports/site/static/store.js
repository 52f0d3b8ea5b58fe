"use strict";
/* The tables of the site, and the questions put to them. Nothing here touches the page. */
globalThis.lakebench = {};
lakebench.store = (data) => {
  const columns = data.cells.columns,
    texts = data.cells.texts;
  const count = columns.state.length;
  const states = data.states.map(([name, letter, meaning]) => ({ name, letter, meaning }));
  const stateOf = Object.fromEntries(states.map((one, index) => [one.name, index]));
  const PASS = stateOf.PASS,
    WRONG = stateOf.WRONG,
    MISLED = stateOf.MISLED;
  const FAILURES = new Set(["WRONG", "REFUSED", "CRASH", "TIMEOUT", "OUT_OF_MEMORY"].map((one) => stateOf[one]));
  const sources = data.sources.map(([id, date, accepted, reason]) => ({ id, date, accepted, reason }));
  const versions = data.versions.map(([name, version, title, components, choosable]) => ({
    name,
    version,
    title,
    components,
    choosable,
  }));
  const features = data.features;
  const featureIndex = new Map(features.map((one, index) => [one.id, index]));

  /* Versions by number: 1.10 comes after 1.9. */
  const parts = (text) => text.split(/[^0-9A-Za-z]+/).map((one) => (/^\d+$/.test(one) ? Number(one) : one));
  const compareVersions = (a, b) => {
    const left = parts(a),
      right = parts(b);
    for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
      const one = left[at] ?? 0,
        other = right[at] ?? 0;
      if (one === other) continue;
      if (typeof one === typeof other) return one < other ? -1 : 1;
      return typeof one === "string" ? -1 : 1;
    }
    return 0;
  };
  const rank = new Int32Array(versions.length);
  versions
    .map((_, index) => index)
    .sort((a, b) => compareVersions(versions[a].version, versions[b].version))
    .forEach((index, place) => {
      rank[index] = place;
    });

  /* Feature, writer, reader and catalog, names without versions → their rows, the oldest first. */
  const names = [...new Set(versions.map((one) => one.name))];
  const nameIndex = new Map(names.map((one, index) => [one, index]));
  const nameOf = Int32Array.from(versions, (one) => nameIndex.get(one.name));
  const width = names.length + 1,
    catalogs = data.cells.catalogs;
  const keyOf = (feature, writer, reader, catalog) =>
    ((feature * width + writer) * width + reader + 1) * catalogs.length + catalog;
  const rows = new Map();
  for (let row = 0; row < count; row += 1) {
    const reader = columns.reader[row];
    const key = keyOf(
      columns.feature[row],
      nameOf[columns.writer[row]],
      reader < 0 ? -1 : nameOf[reader],
      columns.catalog[row],
    );
    const found = rows.get(key);
    if (found) found.push(row);
    else rows.set(key, [row]);
  }
  const later = (a, b) => {
    const writers = rank[columns.writer[a]] - rank[columns.writer[b]];
    const readers = columns.reader[a] < 0 ? 0 : rank[columns.reader[a]] - rank[columns.reader[b]];
    return (writers || readers || columns.source[a] - columns.source[b] || a - b) > 0;
  };
  const newest = (list) => list.reduce((best, row) => (best < 0 || !later(best, row) ? row : best), -1);
  const current = Int32Array.from(rows.values(), newest);
  const mainCatalog = (() => {
    const counts = new Array(catalogs.length).fill(0);
    for (const row of current) counts[columns.catalog[row]] += 1;
    return counts.indexOf(Math.max(...counts, 0));
  })();

  const cell = (row) => ({
    row,
    feature: features[columns.feature[row]],
    writer: versions[columns.writer[row]],
    reader: columns.reader[row] < 0 ? null : versions[columns.reader[row]],
    catalog: catalogs[columns.catalog[row]],
    state: states[columns.state[row]],
    verdict: data.verdicts[columns.verdict[row]],
    source: sources[columns.source[row]],
    reason: texts[columns.reason[row]],
    known: texts[columns.known[row]],
  });
  /* "duckdb@1.4.4" → name and version; "" stands for the newest. */
  const split = (reference) => {
    const at = reference.indexOf("@");
    return at < 0
      ? { name: reference, version: "" }
      : { name: reference.slice(0, at), version: reference.slice(at + 1) };
  };
  const history = (feature, writer, reader, catalog = mainCatalog) => {
    const indexes = [featureIndex.get(feature), nameIndex.get(writer), reader ? nameIndex.get(reader) : -1];
    return indexes.includes(undefined) ? [] : (rows.get(keyOf(...indexes, catalog)) ?? []);
  };
  const find = (feature, writer, reader, catalog) => {
    const own = split(writer),
      other = reader ? split(reader) : null;
    const fitting = history(feature, own.name, other?.name, catalog).filter(
      (row) =>
        (!own.version || versions[columns.writer[row]].version === own.version) &&
        (!other?.version || versions[columns.reader[row]].version === other.version),
    );
    return fitting.length ? newest(fitting) : -1;
  };

  const engines = (side) => {
    const found = new Map();
    for (const index of new Set(side === "engine" ? versions.keys() : columns[side])) {
      if (index < 0) continue;
      const one = versions[index];
      if (!found.has(one.name)) found.set(one.name, []);
      if (!found.get(one.name).some((known) => known.version === one.version)) found.get(one.name).push(one);
    }
    for (const list of found.values()) list.sort((a, b) => compareVersions(b.version, a.version));
    return [...found.values()].sort((a, b) => a[0].name.localeCompare(b[0].name));
  };

  /* My stack: a feature is to be avoided where the writer cannot write it, or a reader refuses it or reads it wrong. */
  const GRAVITY = ["wrong", "refuses", "cannot write", "unknown", "fine"];
  /* A writer that wrote something in a source was there, so what it did not write there, it has no way to write. */
  const present = new Set();
  for (let row = 0; row < count; row += 1)
    if (columns.reader[row] < 0 && (columns.state[row] === PASS || FAILURES.has(columns.state[row])))
      present.add(`${columns.source[row]} ${columns.writer[row]}`);
  const judgeWrite = (row) => {
    const state = row < 0 ? -1 : columns.state[row];
    if (state === PASS) return "fine";
    if (state === WRONG) return "wrong";
    return FAILURES.has(state) ||
      (state === stateOf.UNAVAILABLE && present.has(`${columns.source[row]} ${columns.writer[row]}`))
      ? "cannot write"
      : "unknown";
  };
  const judgeRead = (row) => {
    if (row < 0) return "unknown";
    const state = columns.state[row];
    if (state === PASS) return "fine";
    return state === WRONG || state === MISLED ? "wrong" : FAILURES.has(state) ? "refuses" : "unknown";
  };
  const worst = (judgements) => GRAVITY.find((one) => judgements.includes(one)) ?? "unknown";
  const byReference = new Set(data.reference);
  const stack = (writer, readers, catalog) =>
    features
      .filter((one) => split(writer).name === "reference" || !byReference.has(one.id))
      .map((feature) => {
        const write = find(feature.id, writer, "", catalog);
        const can = judgeWrite(write);
        const reads = readers.map((reader) => {
          const row =
            split(reader).name === split(writer).name && find(feature.id, writer, reader, catalog) < 0
              ? write
              : find(feature.id, writer, reader, catalog);
          return {
            reader,
            row,
            judged: can === "cannot write" || can === "unknown" ? can : row === write ? can : judgeRead(row),
          };
        });
        const why = worst([can, ...reads.map((one) => one.judged)]);
        return { feature, write, can, reads, why, avoid: why !== "fine" && why !== "unknown" };
      });

  /* My upgrade: each cell that an engine takes part in, at both versions, with its counterpart at the newest. */
  const ran = (row) => row >= 0 && (columns.state[row] === PASS || FAILURES.has(columns.state[row]));
  const CHANGES = ["broken", "fails worse", "gone", "new", "mended", "fails less badly"];
  const FROM_BEST = ["PASS", "REFUSED", "OUT_OF_MEMORY", "TIMEOUT", "CRASH", "WRONG"].map((one) => stateOf[one]);
  const changeOf = (before, after) => {
    if (!ran(before) || !ran(after)) return ran(after) ? "new" : ran(before) ? "gone" : "";
    const [one, other] = [columns.state[before], columns.state[after]];
    if (one === other) return "same";
    if (one === PASS || other === PASS) return one === PASS ? "broken" : "mended";
    return FROM_BEST.indexOf(other) > FROM_BEST.indexOf(one) ? "fails worse" : "fails less badly";
  };
  const upgrade = (name, from, to) => {
    const at = nameIndex.get(name),
      changes = Object.fromEntries(CHANGES.map((one) => [one, []]));
    let same = 0,
      unknown = 0;
    const written = (version) => (row) => versions[columns.writer[row]].version === version;
    const read = (version) => (row) => versions[columns.reader[row]].version === version;
    const put = (list, first, second) => {
      const [before, after] = [first, second].map((fits) => newest(list.filter(fits)));
      if (before < 0 && after < 0) return;
      const kind = before < 0 || after < 0 ? "unknown" : changeOf(before, after);
      if (kind === "same") same += 1;
      else if (kind === "unknown") unknown += 1;
      else if (kind) changes[kind].push({ before, after });
    };
    for (const list of rows.values()) {
      const writer = nameOf[columns.writer[list[0]]] === at,
        reader = columns.reader[list[0]] >= 0 && nameOf[columns.reader[list[0]]] === at;
      if (writer && reader) {
        put(
          list,
          (row) => written(from)(row) && read(from)(row),
          (row) => written(to)(row) && read(to)(row),
        );
        const old = list.filter((row) => written(from)(row) && read(to)(row));
        if (old.length)
          put(
            list,
            (row) => written(from)(row) && read(from)(row),
            (row) => old.includes(row),
          );
      } else if (writer) put(list, written(from), written(to));
      else if (reader) put(list, read(from), read(to));
    }
    return { changes, same, unknown };
  };
  const pairs = () =>
    engines("engine")
      .flatMap((list) =>
        list.flatMap((to, index) =>
          list.slice(index + 1).map((from) => ({ name: to.name, from: from.version, to: to.version })),
        ),
      )
      .filter(
        (one) => ![one.from, one.to].includes("unknown") && measured(one.name, one.from) && measured(one.name, one.to),
      );
  const byVersion = new Set();
  for (const side of ["writer", "reader"])
    for (const index of columns[side])
      if (index >= 0) byVersion.add(`${versions[index].name}@${versions[index].version}`);
  const measured = (name, version) =>
    byVersion.has(`${name}@${version}`) ||
    data.speed.engine.some((one, row) => one === name && data.speed.version[row] === version);

  /* An engine's own cells: a read is its reader's, a write its writer's; what others did wrong counts for nobody. */
  const own = (name, version) => {
    const found = [];
    for (const list of rows.values()) {
      const fitting = list.filter((row) => {
        const engine = versions[columns.engine[row]];
        return engine.name === name && (!version || engine.version === version);
      });
      if (fitting.length) found.push(newest(fitting));
    }
    return found;
  };
  const score = (list) => {
    const judged = list.filter(ran);
    const verdict = (name) => judged.filter((row) => data.verdicts[columns.verdict[row]] === name);
    return {
      judged,
      passed: judged.filter((row) => columns.state[row] === PASS),
      wrong: judged.filter((row) => columns.state[row] === WRONG),
      broken: verdict("broken claim"),
      kept: verdict("as claimed"),
      better: verdict("better than claimed"),
    };
  };

  /* All cells that a filter leaves, each at its newest versions. */
  const haystack = features.map((one) => `${one.id} ${one.title} ${one.group} ${one.topic}`.toLowerCase());
  const filter = ({ q, w, r, s, g }) => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = features.map(
      (one, index) => (!g || one.group === g) && words.every((word) => haystack[index].includes(word)),
    );
    const writer = w ? (nameIndex.get(w) ?? -2) : -1,
      reader = r ? (nameIndex.get(r) ?? -2) : -1,
      state = s ? stateOf[s] : -1;
    return current.filter(
      (row) =>
        fits[columns.feature[row]] &&
        (writer === -1 || nameOf[columns.writer[row]] === writer) &&
        (reader === -1 || (columns.reader[row] >= 0 && nameOf[columns.reader[row]] === reader)) &&
        (state === -1 || columns.state[row] === state),
    );
  };

  /* The part of an address that stands for a name; the pages' folders are named alike. */
  const segment = (name) =>
    name
      .replace(/[^A-Za-z0-9._@+-]/g, "_")
      .replace(/^\.+/, "_")
      .slice(0, 100) || "_";
  const named = (list, part) => list.find((one) => one === part) ?? list.find((one) => segment(one) === part);
  return {
    data,
    states,
    sources,
    versions,
    features,
    names,
    catalogs,
    mainCatalog,
    cell,
    split,
    find,
    history,
    engines,
    stack,
    upgrade,
    pairs,
    own,
    score,
    filter,
    segment,
    compareVersions,
    current,
    columns,
    count,
    feature: (part) => features[featureIndex.get(part)] ?? features.find((one) => segment(one.id) === part),
    nameOf: (part) => named(names, part),
  };
};
