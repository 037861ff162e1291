package static

import (
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
)

func TestNegotiate(t *testing.T) {
	all := [codings]bool{true, true, true}
	for _, c := range []struct {
		accept    string
		available [codings]bool
		want      coding
	}{
		{"br", all, brotlied},
		{"BR", all, brotlied},
		{"gzip, br", all, brotlied},
		{"gzip;q=1.0, br;q=0.999", all, gzipped},
		{"gzip;q=0.001", all, gzipped},
		{"x-gzip", all, gzipped},
		{"*", all, brotlied},
		{"*;q=0.5, br;q=0", all, gzipped},
		{"*;q=0", all, identity},
		{"identity;q=0", all, identity},
		{"identity;q=0.5, gzip;q=0.5", all, gzipped},
		{"identity, gzip;q=0.5", all, identity},
		{"br;q=0, gzip;q=0", all, identity},
		{"br;q=2", all, identity},
		{"br;q=", all, identity},
		{"br;q=0.1234", all, identity},
		{"br;level=5;q=0.3, gzip;q=0.2", all, brotlied},
		{" br ; q=0.3 ,\tgzip ; q=0.4", all, gzipped},
		{"brotli, gzipped", all, identity},
		{",,,", all, identity},
		{"", all, identity},
		{"br, gzip", [codings]bool{true, true, false}, gzipped},
		{"br", [codings]bool{true, false, false}, identity},
	} {
		if got := negotiate([][]byte{[]byte(c.accept)}, &c.available); got != c.want {
			t.Errorf("negotiate(%q, %v) is %s, want %s", c.accept, c.available, names[got], names[c.want])
		}
	}
	if got := negotiate([][]byte{[]byte("gzip;q=0.5"), []byte("br")}, &all); got != brotlied {
		t.Errorf("two headers make %s, want br", names[got])
	}
	if got := negotiate(nil, &all); got != identity {
		t.Errorf("no header makes %s, want identity", names[got])
	}
}

func FuzzNegotiate(f *testing.F) {
	for _, seed := range []string{"br", "gzip;q=0.5, *;q=0", ";;=,q", "br;q=1.000", "\t,\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		available := [codings]bool{true, false, true}
		if got := negotiate([][]byte{[]byte(accept)}, &available); !available[got] {
			t.Errorf("negotiate(%q) picks %s, which is not there", accept, names[got])
		}
		if !strings.Contains(strings.ToLower(accept), "br") && !strings.Contains(accept, "*") &&
			negotiate([][]byte{[]byte(accept)}, &available) != identity {
			t.Errorf("negotiate(%q) picks a coding that was not named", accept)
		}
	})
}

func FuzzMatchesAny(f *testing.F) {
	for _, seed := range []string{`"a"`, `W/"a"`, `*`, `"b", W/"c"`, `"`, `W/`, `a"`, `"a`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		const tag = `"0123456789abcdef"`
		headers := [][]byte{[]byte(list)}
		strong, weak := matchesAny(headers, []byte(tag), false), matchesAny(headers, []byte(tag), true)
		if strong && !weak {
			t.Errorf("%q matches strongly but not weakly", list)
		}
		if weak && !strings.Contains(list, tag) && !strings.Contains(list, "*") {
			t.Errorf("%q matches a tag that is not in it", list)
		}
	})
}

func FuzzDecodePath(f *testing.F) {
	for _, seed := range []string{"/", "/a/b.js", "/a%20b/", "/%2e%2e/x", "/..%2fx", "//x", "/a//b", "/%", "/%4", "/\\", "a", "", "/%00", "/ü"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var buf [16]byte
		got, ok := decodePath(buf[:], []byte(raw))
		if !ok {
			return
		}
		want, err := url.PathUnescape(raw)
		if err != nil || want != string(got) {
			t.Errorf("decodePath(%q) is %q; net/url says %q, %v", raw, got, want, err)
		}
		if got[0] != '/' || strings.Contains(string(got), "//") || strings.ContainsAny(string(got), "\\\x00\r\n\x7f") {
			t.Errorf("decodePath(%q) lets %q through", raw, got)
		}
		for segment := range strings.SplitSeq(string(got), "/") {
			if segment == "." || segment == ".." {
				t.Errorf("decodePath(%q) lets the segment %q through", raw, segment)
			}
		}
	})
}

func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-", "bytes=-5", "bytes=5-4", "bytes=0-0", "BYTES= 1-2 ", "bytes=--", "bytes=0-1,2-3", "bytes=99999999999999999999-", "bytes=1-99999999999999999999"} {
		f.Add(seed, int64(100))
	}
	f.Add("bytes=0-", int64(0))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		size &= math.MaxInt32
		first, last, verdict := parseRange([]byte(header), size)
		if verdict != rangeOK {
			return
		}
		if first < 0 || last < first || last >= size {
			t.Fatalf("parseRange(%q, %d) is %d-%d", header, size, first, last)
		}
		// What was understood, written out, must mean the same.
		again := fmt.Sprintf("bytes=%d-%d", first, last)
		if f2, l2, v2 := parseRange([]byte(again), size); v2 != rangeOK || f2 != first || l2 != last {
			t.Errorf("parseRange(%q, %d) is %d-%d, %d; want the same back", again, size, f2, l2, v2)
		}
	})
}
