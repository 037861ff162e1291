import type { Call } from "@/voice/call";
import type { Offer } from "@/voice/snapshot";
import { offerWords } from "./words";

/** A conversation that can be taken up again: that, or another one. The big button does the first of them too. */
export function OfferButtons({ call, offer }: { call: Call; offer: Offer }) {
  const shape = "inline-flex h-12 items-center rounded-full border px-5 font-medium";
  return (
    <div className="mt-5 flex flex-wrap justify-center gap-3 short:mt-2">
      <button type="button" onClick={() => call.resume()} className={`${shape} border-ink bg-ink text-paper`}>
        {offerWords(offer)}
      </button>
      <button type="button" onClick={() => call.start()} className={`${shape} border-line bg-surface hover:border-stone`}>
        Start a new one
      </button>
    </div>
  );
}
