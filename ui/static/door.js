// The code is in the fragment, which browsers send to nobody. It is taken out of the address before it is used.
(() => {
  const code = location.hash.slice(1), says = document.getElementById("says");
  const how = "On the machine that the assistant runs on, “assistant desk” prints a link that opens it.";
  const closed = `This link is used up or too old. ${how}`;
  history.replaceState(null, "", location.pathname);
  if (!code) { says.textContent = `The desk is closed. ${how}`; return; }
  fetch("enter", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code }) })
    .then((answer) => {
      if (answer.status === 204) location.replace("./");
      else says.textContent = answer.status === 429 ? "Too many wrong codes. Wait a minute." : closed;
    })
    .catch(() => { says.textContent = "The server does not answer."; });
})();
