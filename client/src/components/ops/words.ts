// What the operator's page says.
import type { Refusal } from "@/ops/api";
import type { Outcome } from "@/ops/watch";

export interface Trouble {
  readonly title: string;
  readonly detail: string;
}

/** Why there are no figures; what to do is part of the sentence. */
export function troubleWords(refusal: Refusal, hasKey: boolean): Trouble {
  switch (refusal) {
    case "keyWanted":
      return hasKey
        ? { title: "This key was not accepted", detail: "It must be the value of STONEPOT_OPERATOR_KEY at the server, to the letter." }
        : { title: "The operator's key", detail: "This server shows its figures to whoever has the key. It is kept in this tab until the tab is closed." };
    case "closed":
      return {
        title: "Nothing to see from here",
        detail:
          "This server has no operator's key, so it shows its figures on its own machine only. Set STONEPOT_OPERATOR_KEY and start it again, or open this page there.",
      };
    case "busy":
      return { title: "The server asks to wait", detail: "It has too much to do. The page looks again by itself." };
    case "offline":
      return { title: "No network", detail: "Your device says that it is offline. The page looks again when it is back." };
    case "unreachable":
      return { title: "The server does not answer", detail: "The figures below are the last ones. The page looks again by itself, more and more seldom." };
    case "gone":
    case "strange":
      return { title: "The answer makes no sense", detail: "Something else than Stonepot answers at this address, or one of another version." };
  }
}

/** Why the conversations are not listed, though the figures are open to everybody. */
export function listTroubleWords(refusal: Refusal, hasKey: boolean): string {
  if (refusal === "closed") return "The conversations themselves are shown on the server's own machine only, as it has no operator's key.";
  return hasKey ? "This key was not accepted. The figures above are open to everybody." : "The figures are open to everybody; who talks is shown to whoever has the operator's key.";
}

/** What became of the wish to end a conversation. */
export function outcomeWords({ id, result }: Outcome): string {
  const name = `Conversation ${shortId(id)}`;
  switch (result) {
    case "ending":
      return `${name} is being ended…`;
    case "asked":
      return `${name} was ended.`;
    case "gone":
      return `${name} was over already, or lives on another instance.`;
    case "keyWanted":
    case "closed":
      return `${name} was not ended: the server wants the operator's key.`;
    case "busy":
      return `${name} was not ended: the server asks to wait. Try it again in a moment.`;
    case "offline":
    case "unreachable":
      return `Whether ${name} was ended is not known: the server did not answer. Look at the list, and try it again.`;
    case "strange":
      return `${name} was not ended: the server's answer makes no sense.`;
  }
}

/** Why conversations end or are refused, in a few words; "" for codes that are newer than this page (docs/operations.md has them all). */
export function reasonWords(code: string): string {
  return reasons[code] ?? "";
}

const reasons: Readonly<Record<string, string>> = {
  ended: "as it should be",
  browser_gone: "the browser did not come back",
  idle_timeout: "nobody spoke",
  max_duration: "as long as it may be",
  server_draining: "this instance was stopped",
  at_capacity: "the server was full",
  session_elsewhere: "it lives on another instance",
  slow_client: "the browser did not keep up",
  upstream_unavailable: "the model could not be reached",
  upstream_quota: "the model's quota is used up",
  upstream_rejected: "the model refused",
  upstream_auth: "the server's own key was refused",
  upstream_not_configured: "no key for the model",
  rate_limited: "too much at once",
  not_allowed: "a setting is not allowed",
  bad_config: "a setting is wrong",
  unauthorized: "no or a bad ticket",
  replaced: "it goes on in another window",
  session_not_found: "there was nothing to resume",
  ended_by_operator: "from here, or by REST",
  budget_spent: "the budget is used up",
  protocol_error: "not the protocol",
  bad_message: "messages that are none",
  bad_audio: "sound that is none",
  bad_utf8: "text that is none",
  frame_too_large: "a message was too large",
  origin_not_allowed: "a page from elsewhere",
  internal: "a defect: see the log",
};

/** `readyMs` and its like, for people. */
export function latencyWords(name: string): string {
  const known: Readonly<Record<string, string>> = {
    readyMs: "Start to ready",
    responseMs: "Answer delay",
    addedUpUs: "Added to speech on its way up",
    addedDownUs: "Added on its way down",
  };
  return known[name] ?? name.replace(/(Ms|Us)$/, "").replace(/([A-Z])/g, (x) => ` ${x.toLowerCase()}`);
}

/** The unit that a latency's name ends in. */
export function latency(name: string, value: number): string {
  return name.endsWith("Us") ? `${number(value)} µs` : milliseconds(value);
}

/** `byBackend` and its like, for people. */
export function startsWords(name: string): string {
  return `Started, by ${name.replace(/^by/, "").toLowerCase()}`;
}

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const money = new Intl.NumberFormat("en", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 4 });

export function number(value: number): string {
  return Math.abs(value) < 100_000 ? plain.format(value) : compact.format(value);
}

/** With one digit behind the point where it is small. */
export function rate(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : number(value);
}

export function times(n: number): string {
  return n === 1 ? "once" : `${number(n)} times`;
}

export function dollars(value: number): string {
  return money.format(value);
}

export function milliseconds(value: number): string {
  if (value < 1000) return `${plain.format(value)} ms`;
  if (value < 60_000) return `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} s`;
  return span(value);
}

/** A long time, by its two largest units. */
export function span(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Enough of an id to tell it from the others. */
export function shortId(id: string): string {
  return id.length > 14 ? `${id.slice(0, 12)}…` : id;
}
