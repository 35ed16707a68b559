// Look at pages in headless Chromium as readers do, and print what was seen as JSON.
//
//     node look.js MODULES CHROMIUM < ASKED
//
// MODULES: folder of node_modules. ASKED: {"root": folder, "pages": [{"path", "ways"}], "verdicts":
// [{"path", "chosen": [[key, verdict]], "reviewer", "to"}]}. A way is "light, wide" for example. A
// page with several ways is printed too, and opened without JavaScript.
"use strict";
const fs = require("fs");
const path = require("path");
const { pathToFileURL } = require("url");

const [modules, chromiumPath] = process.argv.slice(2);
const { chromium } = require(path.join(modules, "playwright-core"));
const AXE = fs.readFileSync(path.join(modules, "axe-core", "axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };

/** Open a page, and collect what it reports and asks for. */
async function opened(browser, address, options) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  const seen = { problems: [], requests: [], dialogs: [] };
  page.on("console", (one) => {
    if (["error", "warning"].includes(one.type())) seen.problems.push(one.text());
  });
  page.on("pageerror", (error) => seen.problems.push(String(error)));
  page.on("requestfailed", (one) => seen.problems.push("failed: " + one.url()));
  page.on("request", (one) => seen.requests.push(one.url()));
  page.on("dialog", (one) => {
    seen.dialogs.push(one.message());
    one.dismiss();
  });
  await page.goto(address, { waitUntil: "load" });
  return { context, page, seen };
}

/** Scroll to every picture, and return those that did not load. */
async function missingPictures(page) {
  return page.evaluate(async () => {
    const pictures = [...document.images];
    for (const one of pictures) one.loading = "eager";
    await Promise.all(pictures.map((one) => one.decode().catch(() => {})));
    const missing = pictures.filter((one) => !one.naturalWidth);
    // those of a single file: the same bytes are shown at several places
    for (const one of document.querySelectorAll("svg.plate")) {
      const stored = document.querySelector(one.querySelector("use").getAttribute("href"));
      const picture = new Image();
      picture.src = stored.getAttribute("href");
      await picture.decode().catch(() => {});
      if (!picture.naturalWidth || !one.getBoundingClientRect().height) missing.push(one);
    }
    return missing.map((one) => one.getAttribute("src") ?? one.outerHTML);
  });
}

async function violations(page) {
  await page.evaluate(AXE);
  return page.evaluate(async (rules) => {
    const found = await axe.run(document, {
      runOnly: rules,
      resultTypes: ["violations"],
    });
    return found.violations.map((one) => {
      const [first] = one.nodes;
      return `${one.id} (${one.nodes.length}): ${first.target} ${first.failureSummary}`;
    });
  }, RULES);
}

/** Return texts of names, and whether what follows a name lies where a reader expects it. */
async function names(page) {
  return page.evaluate(() => {
    const boxOf = (node, from, to) => {
      const range = document.createRange();
      range.setStart(node, from);
      range.setEnd(node, to);
      return range.getBoundingClientRect();
    };
    const isShown = (box) => box.width > 0 && box.height > 0;
    const isBefore = (one, next) => next.top >= one.bottom - 2 || next.left >= one.right - 1;
    const turned = [];
    for (const name of document.querySelectorAll("bdi.name")) {
      const boxes = [...name.getClientRects()];
      const next = name.nextSibling;
      if (!boxes.length || !next || next.nodeType !== Node.TEXT_NODE) continue;
      const first = next.data.search(/\S/);
      if (first < 0) continue;
      const box = boxOf(next, first, first + 1);
      const last = boxes[boxes.length - 1];
      if (isShown(box) && isShown(last) && !isBefore(last, box)) turned.push(name.textContent);
    }
    // letters of a name stay in the order of the file
    for (const name of document.querySelectorAll("bdi.name")) {
      const walker = document.createTreeWalker(name, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const node = walker.currentNode;
        const word = /[A-Za-z]{2,}/.exec(node.data);
        if (!word) continue;
        const [one, two] = [0, 1].map((step) =>
          boxOf(node, word.index + step, word.index + step + 1),
        );
        if (isShown(one) && isShown(two) && !isBefore(one, two)) turned.push(word[0]);
      }
    }
    return {
      texts: [...new Set([...document.querySelectorAll("bdi.name")].map((one) => one.textContent))],
      turned,
      labels: [...new Set([...document.querySelectorAll("fieldset")].map((one) => one.dataset.key))],
      tags: [...new Set([...document.querySelectorAll("*")].map((one) => one.localName))].sort(),
      handlers: [...document.querySelectorAll("*")]
        .flatMap((one) => one.getAttributeNames())
        .filter((one) => one.startsWith("on")),
      scripts: document.scripts.length,
    };
  });
}

async function content(page) {
  return page.evaluate(() => ({
    text: document.querySelector("main").textContent,
    pictures: document.querySelectorAll("main img, main svg.plate").length,
    buttons: [...document.querySelectorAll("fieldset, button")].filter((one) =>
      one.checkVisibility(),
    ).length,
  }));
}

/** Look at a page in some ways; return what was wrong in each. */
async function looks(browser, address, ways) {
  const found = {};
  for (const way of ways) {
    const [colorScheme, size] = way.split(", ");
    const viewport = size === "wide" ? WIDE : NARROW;
    const { context, page, seen } = await opened(browser, address, { colorScheme, viewport });
    const missing = await missingPictures(page);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    found[way] = { ...seen, missing, overflow, violations: await violations(page) };
    await context.close();
  }
  return found;
}

async function withoutScript(browser, address) {
  const { context, page } = await opened(browser, address, { javaScriptEnabled: false });
  const found = await content(page);
  await context.close();
  return found;
}

async function printed(page) {
  await page.emulateMedia({ media: "print" });
  const { buttons } = await content(page);
  const file = await page.pdf();
  await page.emulateMedia({ media: "screen" });
  return { buttons, beginning: file.subarray(0, 5).toString(), bytes: file.length };
}

async function looked(browser, root, { path: name, ways }) {
  const address = pathToFileURL(path.join(root, name)).href;
  const seen = await looks(browser, address, ways);
  const { context, page } = await opened(browser, address, { viewport: WIDE });
  const found = { seen, names: await names(page), content: await content(page) };
  if (ways.length > 1) {
    found.unscripted = await withoutScript(browser, address);
    found.print = await printed(page);
  }
  await context.close();
  return found;
}

/** Give verdicts as a person does: choose, write a name, save; return the file and what is shown. */
async function verdicts(browser, root, { path: name, chosen, reviewer, to }) {
  const address = pathToFileURL(path.join(root, name)).href;
  const { context, page, seen } = await opened(browser, address, { viewport: WIDE });
  const shown = [];
  for (const [key, verdict] of chosen) {
    const boxes = page.locator("fieldset");
    const keys = await boxes.evaluateAll((all) => all.map((one) => one.dataset.key));
    const places = keys.flatMap((one, place) => (one === key ? [place] : []));
    await boxes.nth(places[0]).locator(`input[value=${verdict}]`).check();
    for (const place of places) {
      shown.push([key, await boxes.nth(place).locator("input:checked").getAttribute("value")]);
    }
  }
  await page.fill("#reviewer", reviewer);
  const said = await page.textContent("#said");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-now")]);
  await download.saveAs(to);
  const missing = await violations(page);
  await context.close();
  return { shown, said, name: download.suggestedFilename(), violations: missing, ...seen };
}

/** Do work on items, two at a time. */
async function two(items, work) {
  const left = [...items];
  const worker = async () => {
    while (left.length) await work(left.shift());
  };
  await Promise.all([worker(), worker()]);
}

async function main() {
  const asked = JSON.parse(fs.readFileSync(0, "utf8"));
  const browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox"] });
  try {
    const found = { pages: {}, verdicts: [] };
    await two(asked.pages, async (one) => {
      found.pages[one.path] = await looked(browser, asked.root, one);
    });
    for (const one of asked.verdicts) found.verdicts.push(await verdicts(browser, asked.root, one));
    process.stdout.write(JSON.stringify(found));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
