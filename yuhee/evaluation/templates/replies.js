"use strict";
(async () => {
  const PAGE = 50;
  const box = document.getElementById("browser");
  const bytes = Uint8Array.from(atob(document.getElementById("packed").textContent.trim()), (c) => c.charCodeAt(0));
  const unpacked = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
  const rows = await unpacked.json();
  const body = box.querySelector("tbody");
  const search = box.querySelector("input");
  const order = box.querySelector("select");
  const place = box.querySelector("output");
  const [first, back, next, last] = box.querySelectorAll("button");
  const labels = [...box.querySelectorAll("thead th")].map((cell) => cell.textContent);
  let found = rows;
  let page = 0;

  const orders = {
    corpus: null,
    worst: (a, b) => a[4] - b[4],
    best: (a, b) => b[4] - a[4],
    long: (a, b) => b[2].length - a[2].length,
    unlikely: (a, b) => (b[5] ?? -1) - (a[5] ?? -1),
  };

  function cell(row, label, text) {
    const td = row.insertCell();
    const name = td.appendChild(document.createElement("span"));
    name.className = "label";
    name.textContent = label;
    const said = td.appendChild(document.createElement("div"));
    said.className = "said";
    said.textContent = text; // never markup
  }

  function show() {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    body.replaceChildren();
    for (const [earlier, question, reply, reference, score, bits] of found.slice(page * PAGE, (page + 1) * PAGE)) {
      const row = body.insertRow();
      cell(row, labels[0], (earlier ? `(앞의 말 ${earlier}개) ` : "") + question);
      cell(row, labels[1], reply);
      cell(row, labels[2], reference);
      cell(row, labels[3], score.toFixed(1));
      cell(row, labels[4], bits === null ? "–" : bits.toFixed(2));
    }
    place.textContent = `${(page + 1).toLocaleString()} / ${pages.toLocaleString()}쪽 · ${found.length.toLocaleString()}개`;
    first.disabled = back.disabled = page === 0;
    next.disabled = last.disabled = page === pages - 1;
  }

  function select() {
    const wanted = search.value.normalize("NFC").toLowerCase();
    found = wanted ? rows.filter((row) => row.slice(1, 4).some((text) => text.toLowerCase().includes(wanted))) : rows;
    if (orders[order.value]) found = [...found].sort(orders[order.value]);
    page = 0;
    show();
  }

  const turn = (by) => () => { page += by; show(); };
  first.onclick = turn(-Infinity);
  back.onclick = turn(-1);
  next.onclick = turn(1);
  last.onclick = turn(Infinity);
  search.oninput = select;
  order.onchange = select;
  show();
  box.querySelector(".pager").hidden = false;
})().catch(() => {
  document.getElementById("unsupported").hidden = false;
});
