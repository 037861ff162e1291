const name = "stonepot.operatorKey";

/**
 * KeyStore keeps the operator's key for as long as the tab lives: in sessionStorage, which neither other tabs nor the next
 * visit can read, or only in memory where the browser refuses that.
 */
export class KeyStore {
  private value: string | undefined;

  /** `storage` may throw: browsers that block it do. */
  constructor(private readonly storage: () => Storage) {}

  /** The key; empty: none. */
  get(): string {
    this.value ??= this.guarded((storage) => storage.getItem(name)) ?? "";
    return this.value;
  }

  set(key: string): void {
    this.value = key.trim();
    this.guarded((storage) => storage.setItem(name, key.trim()));
  }

  clear(): void {
    this.value = "";
    this.guarded((storage) => storage.removeItem(name));
  }

  private guarded<T>(act: (storage: Storage) => T): T | undefined {
    try {
      return act(this.storage());
    } catch {
      return undefined;
    }
  }
}
