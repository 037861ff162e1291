// A call in a real browser: the world that tests replace.
import { createSession } from "./api";
import { openAudio, type Devices } from "./audio";
import { Call } from "./call";
import { keepIn } from "./saved";
import type { Server } from "./server";
import type { Tap } from "./tap";

/**
 * Makes a call; nothing is opened before it is started, so this may run where there is no browser yet. A tap sees what
 * goes over the line; `devices` are those that the person chose.
 */
export function createCall(server: Server, tap?: Tap, devices: () => Devices = () => ({ microphone: "", speaker: "" })): Call {
  return new Call({
    openAudio: (events) => openAudio(tap?.audio(events) ?? events, devices),
    createSession: (signal) => createSession(server, signal),
    openSocket({ url, protocols }) {
      const socket = new WebSocket(url, [...protocols]);
      return tap?.socket(socket) ?? socket;
    },
    keep: keepIn(() => window.sessionStorage, Date.now, () => performance.now()),
    now: () => performance.now(),
    wall: Date.now,
  });
}
