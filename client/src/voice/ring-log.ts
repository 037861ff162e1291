/** RingLog keeps the newest items, up to a number of them and up to a weight together; the oldest go first, and are counted. */
export class RingLog<T> {
  /** Items that were given up. */
  forgotten = 0;

  private items: T[] = [];
  /** Where the oldest item is: what lies before it is gone, and is cut off now and then. */
  private head = 0;
  private weight = 0;

  /** `weigh` must give the same for an item each time. */
  constructor(
    private readonly maxItems: number,
    private readonly maxWeight = Infinity,
    private readonly weigh: (item: T) => number = () => 0,
  ) {}

  get length(): number {
    return this.items.length - this.head;
  }

  push(item: T): void {
    this.items.push(item);
    this.weight += this.weigh(item);
    // The newest stays, however much it weighs.
    while (this.length > 1 && (this.length > this.maxItems || this.weight > this.maxWeight)) {
      this.weight -= this.weigh(this.items[this.head]!);
      this.head++;
      this.forgotten++;
    }
    if (this.head > this.maxItems) this.compact();
  }

  clear(): void {
    this.items = [];
    this.head = 0;
    this.weight = 0;
    this.forgotten = 0;
  }

  /** The items from the oldest to the newest, in an array of their own. */
  list(): T[] {
    return this.items.slice(this.head);
  }

  private compact(): void {
    this.items = this.items.slice(this.head);
    this.head = 0;
  }
}
