/**
 * Ring is the queue between the socket and the speaker: 16-bit samples in the order they came, in whatever pieces they
 * came. Pieces are kept as they are (no copy on the audio thread); the ring of references doubles when it is full. It
 * never throws away what was queued before: beyond `maxSamples` the newest samples are refused and counted.
 */
export class Ring {
  /** Samples that were refused because the ring was full. */
  refused = 0;

  private pieces: (Int16Array | undefined)[] = new Array<Int16Array | undefined>(64);
  private head = 0;
  private count = 0;
  /** Samples of the first piece that are already read. */
  private offset = 0;
  private samples = 0;

  constructor(private readonly maxSamples: number) {}

  /** Samples that are waiting. */
  get length(): number {
    return this.samples;
  }

  /** Appends `piece`, which must not be changed afterwards. */
  push(piece: Int16Array): void {
    const room = this.maxSamples - this.samples;
    if (piece.length > room) {
      this.refused += piece.length - room;
      piece = piece.subarray(0, room);
    }
    if (piece.length === 0) return;
    if (this.count === this.pieces.length) this.grow();
    this.pieces[(this.head + this.count) % this.pieces.length] = piece;
    this.count++;
    this.samples += piece.length;
  }

  /** Reads up to `count` samples as floats into the front of `out`; returns how many there were. */
  read(out: Float32Array, count: number): number {
    let read = 0;
    while (read < count && this.count > 0) {
      const piece = this.pieces[this.head]!;
      const take = Math.min(count - read, piece.length - this.offset);
      for (let i = 0; i < take; i++) out[read + i] = piece[this.offset + i]! / 32768;
      read += take;
      this.offset += take;
      this.samples -= take;
      if (this.offset === piece.length) this.dropFirst();
    }
    return read;
  }

  /** Everything that waits, as one piece; the ring is empty afterwards. */
  takeAll(): Int16Array<ArrayBuffer> {
    const all = new Int16Array(this.samples);
    let at = 0;
    for (; this.count > 0; this.dropFirst()) {
      const rest = this.pieces[this.head]!.subarray(this.offset);
      all.set(rest, at);
      at += rest.length;
    }
    this.samples = 0;
    return all;
  }

  /** Empties the ring at once. */
  clear(): void {
    while (this.count > 0) this.dropFirst();
    this.samples = 0;
  }

  private dropFirst(): void {
    this.pieces[this.head] = undefined; // lets go of the memory
    this.head = (this.head + 1) % this.pieces.length;
    this.count--;
    this.offset = 0;
  }

  private grow(): void {
    const larger = new Array<Int16Array | undefined>(this.pieces.length * 2);
    for (let i = 0; i < this.count; i++) larger[i] = this.pieces[(this.head + i) % this.pieces.length];
    this.pieces = larger;
    this.head = 0;
  }
}
