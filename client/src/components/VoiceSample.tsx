"use client";

import { useEffect, useRef, useState } from "react";
import { server } from "@/hooks/use-call";
import { settings } from "@/hooks/use-settings";
import { browserWorld } from "@/voice/browser";
import type { Problem } from "@/voice/problem";
import type { SessionConfig } from "@/voice/protocol";
import { playSample } from "@/voice/sample";
import { TestButton } from "./fields";

/** Lets somebody hear the chosen voice say a sentence; in a conversation they hear it there. */
export function VoiceSample({ config, live }: { config: SessionConfig; live: boolean }) {
  const [state, setState] = useState<"silent" | "asking" | "sounding" | "simulated">("silent");
  const [problem, setProblem] = useState<Problem>();
  const stop = useRef<() => void>(undefined);
  // Whoever chooses another voice, or leaves the settings, wants to hear no more of this one.
  useEffect(() => () => stop.current?.(), []);

  const press = (): void => {
    if (state !== "silent") return stop.current?.();
    setProblem(undefined);
    setState("asking");
    stop.current = playSample(browserWorld(server, undefined, settings.get), config, {
      sounding: (simulated) => setState(simulated ? "simulated" : "sounding"),
      over(why) {
        stop.current = undefined;
        setState("silent");
        setProblem(why);
      },
    });
  };
  if (live) return null;
  return (
    <div className="-mt-2 flex flex-wrap items-center gap-3">
      <TestButton onPress={press}>{state === "silent" ? "Play a sample" : "Stop the sample"}</TestButton>
      <span role="status" data-sample={state} className="min-w-0 flex-1 text-sm text-muted">
        {state === "asking" && "Asking the model…"}
        {state === "sounding" && "This is how it sounds."}
        {state === "simulated" && "Simulated: without a key every voice is made of these tones."}
        {problem && (
          <span className="text-danger" data-sample-problem={problem.code}>
            {problem.title}. {problem.detail} {problem.next}
          </span>
        )}
      </span>
    </div>
  );
}
