"use strict";
// This stands in the head: the reader's theme must hold before the first paint. The rest waits for the page.
const root = document.documentElement;
const THEME = "crm-theme";
const systemDark = matchMedia("(prefers-color-scheme: dark)");

// A browser may refuse storage to a page opened as a file; a choice then holds as long as the page is open.
function withStorage(action) {
  try {
    return action(localStorage);
  } catch {
    return null;
  }
}

const remembered = withStorage((storage) => storage.getItem(THEME));
if (remembered === "light" || remembered === "dark") root.dataset.theme = remembered;

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches;
}

function setUpTheme() {
  const button = document.querySelector(".theme");
  if (!button) return;
  const show = () => button.setAttribute("aria-pressed", isDark());
  button.hidden = false;
  show();
  systemDark.addEventListener("change", show);
  button.addEventListener("click", () => {
    const wantsDark = !isDark();
    if (wantsDark === systemDark.matches) {
      delete root.dataset.theme; // back to following the system
      withStorage((storage) => storage.removeItem(THEME));
    } else {
      root.dataset.theme = wantsDark ? "dark" : "light";
      withStorage((storage) => storage.setItem(THEME, root.dataset.theme));
    }
    show();
  });
}

function setUpCode() {
  const buttons = document.querySelector(".code-buttons");
  const cells = document.querySelectorAll("details.code");
  if (!buttons || !cells.length) return;
  buttons.hidden = false;
  buttons.addEventListener("click", (event) => {
    const wish = event.target.dataset.code;
    if (wish) cells.forEach((cell) => { cell.open = wish === "open"; });
  });
}

function setUpContents() {
  const contents = document.querySelector(".toc");
  if (!contents) return;
  const fold = contents.querySelector("details");
  const narrow = matchMedia("(max-width: 63.99rem)");
  const followWidth = () => { fold.open = !narrow.matches; };
  followWidth();
  narrow.addEventListener("change", followWidth);

  const links = [...contents.querySelectorAll("a")];
  contents.addEventListener("click", (event) => {
    if (narrow.matches && links.includes(event.target.closest("a"))) fold.open = false;
  });

  const headings = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
  const passed = new Set();
  const mark = (entries) => {
    entries.forEach(({ target, isIntersecting }) => passed[isIntersecting ? "add" : "delete"](target));
    const current = headings.findLastIndex((heading) => passed.has(heading));
    links.forEach((link, position) => {
      if (position === current) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    });
    if (current >= 0) contents.scrollTop = links[current].offsetTop - contents.clientHeight / 2;
  };
  // Reaching far above the window, the observed area holds every heading that has passed the reader's line.
  const observer = new IntersectionObserver(mark, { rootMargin: "1000000px 0px -75% 0px" });
  headings.filter(Boolean).forEach((heading) => observer.observe(heading));
}

function cellValue(cell) {
  return cell.classList.contains("missing") ? "" : (cell.dataset.value ?? cell.textContent);
}

function sortedRows(rows, column, sign) {
  const keyed = rows.map((row) => [row, cellValue(row.cells[column])]);
  const present = keyed.filter(([, value]) => value !== "");
  const missing = keyed.filter(([, value]) => value === "");
  const numeric = present.every(([, value]) => !Number.isNaN(Number(value)));
  const compare = numeric ? (a, b) => a - b : new Intl.Collator(root.lang, { numeric: true }).compare;
  present.sort(([, a], [, b]) => sign * compare(a, b));
  return [...present, ...missing].map(([row]) => row);
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  if (rows.length < 2) return;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
      const order = next === undefined ? "ascending" : next;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (order) head.setAttribute("aria-sort", order);
      body.append(...(order ? sortedRows(rows, column, order === "ascending" ? 1 : -1) : rows));
    });
  });
}

function csvField(cell) {
  const value = cellValue(cell);
  const isNumber = cell.closest(".dataframe") && /^-?\d[\d.]*(e[+-]\d+)?$/i.test(value);
  const isData = cell.dataset.value !== undefined || isNumber;
  // A spreadsheet would run a text that begins like a formula.
  const text = !isData && /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function offerCsv(table, position) {
  const tools = document.getElementById("table-tools").content.cloneNode(true);
  const partial = table.parentElement.querySelector(".more-rows");
  const button = tools.querySelector(partial ? "[data-csv=part]" : "[data-csv=all]");
  const page = decodeURIComponent(location.pathname.split("/").pop()).replace(/\.html$/, "");
  const caption = table.caption?.textContent ?? "";
  const name = caption.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || `table-${position}`;
  button.addEventListener("click", () => {
    const lines = [...table.rows].map((row) => [...row.cells].map(csvField).join(","));
    const link = document.createElement("a");
    // The mark in front tells Excel that the file is UTF-8.
    link.href = URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv" }));
    link.download = `${page}-${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  (table.closest(".scroll") ?? table).after(button);
}

function setUpTables() {
  document.querySelectorAll(".crm-table:not(.parameters), .dataframe").forEach((table, position) => {
    if (table.tHead?.rows.length !== 1 || table.querySelector("[colspan], [rowspan]")) return;
    makeSortable(table);
    offerCsv(table, position + 1);
  });
}

document.addEventListener("DOMContentLoaded", () => {
  setUpTheme();
  setUpCode();
  setUpContents();
  setUpTables();
});
