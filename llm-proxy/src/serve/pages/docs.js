"use strict";
const find = document.getElementById("find");
const sections = [...document.querySelectorAll("section")];
const show = () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of sections) {
    let any = false;
    for (const one of section.querySelectorAll("details")) {
      const text = one.firstElementChild.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word));
      one.hidden = !fits;
      any ||= fits;
    }
    section.hidden = !any;
  }
};
find.hidden = false;
find.addEventListener("input", show);
