// What may be shown and exported of a message: everything but what lets somebody else take the conversation, and bulk.

/** Longer texts are cut: an instruction of a hundred pages helps nobody here. */
const maxString = 4000;

/** Fields whose text is a permission, whatever message they are in. */
const secret = /ticket|token$|secret|password|authorization|apikey|api_key/i;

/** Where something is not JSON, whatever looks like a ticket or a picture. */
const opaque = /[A-Za-z0-9+/_=.-]{40,}/g;

export interface Redacted {
  /** `type` of the message; "(not JSON)", or "(no type)", where it has none. */
  readonly type: string;
  /** The message as JSON, without its secrets; what it was instead where it is not JSON. */
  readonly text: string;
}

/** Reads a text message as it goes over the line. */
export function redact(data: string): Redacted {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return { type: "(not JSON)", text: cut(data.replace(opaque, "(redacted)")) };
  }
  const type = typeof value === "object" && value !== null && "type" in value && typeof value.type === "string" ? value.type : "(no type)";
  return { type, text: JSON.stringify(value, (name, x: unknown) => clean(name, x)) };
}

function clean(name: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (secret.test(name)) return "(redacted)";
  // Sound and pictures in base64.
  if (name === "data") return `(${value.length} characters of base64)`;
  return cut(value);
}

function cut(text: string): string {
  return text.length > maxString ? `${text.slice(0, maxString)}… (${text.length} characters)` : text;
}
