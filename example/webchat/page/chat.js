"use strict";

const part = (id) => document.getElementById(id);
let token = "";

// What comes from others is only ever set as text, never as HTML.
function show(line) {
  const item = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = line.name;
  item.append(name, line.text);
  part("lines").append(item);
}

function know(name) {
  part("me").textContent = name || "";
  part("enter").hidden = Boolean(name);
  part("say").hidden = !name;
}

async function post(path, fields) {
  const answer = await fetch(path, { method: "POST", body: new URLSearchParams({ ...fields, _csrf: token }) });
  part("error").textContent = answer.ok ? "" : `Refused: ${answer.status}`;
  return answer.ok;
}

async function meet() {
  const me = await (await fetch("/chat/me")).json();
  token = me.token;
  know(me.name);
}

part("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = new FormData(event.target).get("name");
  if (await post("/chat/enter", { name })) know(name.trim());
});

part("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = event.target.elements.text;
  if (await post("/chat/say", { text: field.value })) field.value = "";
});

part("leave").addEventListener("click", async () => {
  await post("/chat/leave", {});
  await meet();
});

meet();
new EventSource("/chat/events").addEventListener("message", (event) => show(JSON.parse(event.data)));
