package static

import (
	"fmt"
	"strings"
	"time"
)

// maxAge is the longest time a cache may be told to keep something (one year, as RFC 9111 §5.2.2.1 advises).
const maxAge = 365 * 24 * time.Hour

// Config is the section `static` of config.yaml. Everything in it is read once by New: a change needs a restart.
type Config struct {
	// Dir is a directory to serve instead of the export that is embedded in the binary, for people who bring
	// their own front end. Empty means the embedded one. Its files are read when the server starts, and held in
	// memory; a change of a file needs a restart.
	Dir string `mapstructure:"dir"`
	// MaxAge is how long browsers and proxies may keep files whose names do not change with their content.
	// Whole seconds, at most one year; 0 means that they ask each time (no-cache). Files under /_next/static/ carry
	// a hash in their names and are kept for a year whatever this says; a service worker (sw.js) is asked for each time.
	MaxAge time.Duration `mapstructure:"max_age"`
	// HTMLMaxAge is the same for pages. The default 0 is right: a page names hashed files, and a page that
	// outlives a deployment asks for files that are gone. Pages carry an ETag, so asking costs a 304.
	HTMLMaxAge time.Duration `mapstructure:"html_max_age"`
	// MaxBytes bounds the memory that the files of Dir, compressed variants included, may take.
	MaxBytes int64 `mapstructure:"max_bytes"`
	// ContentSecurityPolicy replaces the policy sent with pages. Empty means a strict one, made for the export: own
	// origin only, inline scripts by their hashes. "off" sends none. In a policy of your own the word
	// {script_hashes} becomes the hashes of the page's inline scripts.
	ContentSecurityPolicy string `mapstructure:"content_security_policy"`
}

// DefaultConfig returns the values that config.yaml ships with.
func DefaultConfig() Config {
	return Config{
		MaxAge:   time.Hour,
		MaxBytes: 64 << 20,
	}
}

// Validate reports the first wrong value as a sentence that names its key. It does not touch the disk: New does, and
// tells what is wrong with Dir.
func (c Config) Validate() error {
	if err := validateAge("static.max_age", c.MaxAge); err != nil {
		return err
	}
	if err := validateAge("static.html_max_age", c.HTMLMaxAge); err != nil {
		return err
	}
	if c.MaxBytes < 1<<20 || c.MaxBytes > 4<<30 {
		return fmt.Errorf("static.max_bytes must be between 1048576 (1 MiB) and 4294967296 (4 GiB), got %d", c.MaxBytes)
	}
	for _, r := range c.ContentSecurityPolicy {
		if r < ' ' || r > '~' {
			return fmt.Errorf("static.content_security_policy must be one line of printable ASCII, got the character %q", r)
		}
	}
	return nil
}

func validateAge(key string, d time.Duration) error {
	if d < 0 || d > maxAge {
		return fmt.Errorf("%s must be between 0s and %s (one year), got %s", key, maxAge, d)
	}
	if d%time.Second != 0 {
		return fmt.Errorf("%s must be whole seconds, got %s", key, d)
	}
	return nil
}

// cacheControl is the header for files that may be kept for d.
func cacheControl(d time.Duration) string {
	if d <= 0 {
		return "no-cache"
	}
	return fmt.Sprintf("public, max-age=%d", int64(d/time.Second))
}

// policyFor makes the Content-Security-Policy of a page with these inline scripts; "" means none is sent.
func (c Config) policyFor(hashes []string, wasm bool) string {
	switch custom := strings.TrimSpace(c.ContentSecurityPolicy); custom {
	case "":
		return defaultPolicy(hashes, wasm)
	case "off":
		return ""
	default:
		quoted := quoteSources(hashes)
		if len(hashes) == 0 {
			// An empty source list between other sources is harmless; two blanks in a row are merely ugly.
			custom = strings.ReplaceAll(custom, " {script_hashes}", "")
		}
		return strings.ReplaceAll(custom, "{script_hashes}", quoted)
	}
}
