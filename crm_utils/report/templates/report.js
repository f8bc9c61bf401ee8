"use strict";
const buttons = document.querySelector(".code-buttons");
if (buttons && document.querySelector("details.code")) {
  buttons.hidden = false;
  buttons.addEventListener("click", (event) => {
    const wish = event.target.dataset.code;
    if (wish) document.querySelectorAll("details.code").forEach((cell) => { cell.open = wish === "open"; });
  });
}
const contents = document.querySelector(".toc details");
if (contents && window.matchMedia("(max-width: 63.9rem)").matches) contents.open = false;
