"use client";

import { settings as store, useSettings } from "@/hooks/use-settings";
import type { Settings } from "@/settings/settings";
import { may, updateOf } from "@/settings/wishes";
import type { ServerConfig } from "@/voice/api";
import type { Call } from "@/voice/call";
import { Choices, Group } from "./fields";

/** Everything that can be set; a change holds at once, where it can. */
export function SettingsForm({ call, offer }: { call: Call; offer: ServerConfig | undefined }) {
  const settings = useSettings();
  const change = (part: Partial<Settings>): void => {
    store.set(part);
    const update = updateOf(part, offer);
    if (update) call.updateSession(update);
  };
  return (
    <form className="flex flex-col gap-7" onSubmit={(event) => event.preventDefault()}>
      {may(offer, "vad") && (
        <Group title="Speaking">
          <Choices
            name="pushToTalk"
            label="How you speak"
            value={String(settings.pushToTalk)}
            options={[
              ["false", "Hands-free", "Just speak. Space mutes the microphone."],
              ["true", "Push to talk", "Hold the circle or the space bar while you speak."],
            ]}
            onChange={(value) => change({ pushToTalk: value === "true" })}
          />
        </Group>
      )}
    </form>
  );
}
