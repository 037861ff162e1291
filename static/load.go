package static

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
)

// fileOverhead is what a file is taken to cost beyond its bytes, so that a million empty ones are bounded too.
const fileOverhead = 1 << 10

// content is a file as found, with the compressed forms that lie beside it.
type content [codings][]byte

// loader reads the files of a directory once.
type loader struct {
	fsys   fs.FS
	budget int64 // bytes that may still be taken
	verify bool  // unpack the compressed forms and compare: files that others made may be out of step
	log    *slog.Logger
}

// load returns every file that may be served, by its slash-separated name. Left out, with a line in the log: what is
// neither a file nor a link to one inside the directory, and compressed forms that do not match. Left out silently:
// dot files, except those in .well-known at the top (RFC 8615).
func (l *loader) load() (map[string]content, error) {
	names, err := l.names()
	if err != nil {
		return nil, err
	}
	present := make(map[string]bool, len(names))
	for _, name := range names {
		present[name] = true
	}

	files := make(map[string]content, len(names))
	for _, name := range names { // sorted, so the original comes before its compressed forms
		data, err := l.read(name)
		if err != nil {
			return nil, err
		}
		base, form := variantOf(name, present)
		if form == identity {
			files[name] = content{identity: data}
			continue
		}
		original := files[base]
		if l.verify {
			if err := sameAs(original[identity], data, form); err != nil {
				l.log.Warn("static: compressed file left out; make it anew", "file", name, "why", err.Error())
				continue
			}
		}
		original[form] = data
		files[base] = original
	}
	return files, nil
}

// variantOf says whether name is the compressed form of another file that is present, and of which.
func variantOf(name string, present map[string]bool) (base string, form coding) {
	for _, c := range []coding{gzipped, brotlied} {
		if base, ok := strings.CutSuffix(name, suffixes[c]); ok && present[base] {
			return base, c
		}
	}
	return name, identity
}

func (l *loader) names() ([]string, error) {
	var names []string
	err := fs.WalkDir(l.fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		if strings.HasPrefix(path.Base(name), ".") && name != ".well-known" {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		mode := entry.Type()
		if mode&fs.ModeSymlink != 0 {
			// os.Root follows a link only as far as the directory reaches.
			target, err := fs.Stat(l.fsys, name)
			if err != nil {
				l.log.Warn("static: link left out: it leads nowhere, or out of the directory", "file", name)
				return nil
			}
			mode = target.Mode().Type()
		}
		if !mode.IsRegular() {
			l.log.Warn("static: left out: not an ordinary file", "file", name)
			return nil
		}
		names = append(names, name)
		return nil
	})
	slices.Sort(names)
	return names, err
}

// read returns the bytes of one file and takes them from the budget. It never reads more than the budget, even
// from a file that grows meanwhile.
func (l *loader) read(name string) ([]byte, error) {
	f, err := l.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	var buf bytes.Buffer
	if info, err := f.Stat(); err == nil { // one piece of memory, of the right size
		buf.Grow(int(min(info.Size(), max(l.budget, 0))) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(io.LimitReader(f, max(l.budget, 0)+1)); err != nil {
		return nil, err
	}
	data := buf.Bytes()
	l.budget -= int64(len(data)) + fileOverhead
	if l.budget < 0 {
		return nil, errTooLarge
	}
	if cap(data)-len(data) > fileOverhead { // it has grown, or shrunk, meanwhile
		data = bytes.Clone(data)
	}
	return data, nil
}

var errTooLarge = errors.New("the files take more memory than static.max_bytes allows")

// sameAs checks that packed is original in that form.
func sameAs(original, packed []byte, form coding) error {
	var unpacked io.Reader
	switch form {
	case gzipped:
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return fmt.Errorf("not gzip: %w", err)
		}
		unpacked = z
	default:
		unpacked = brotli.NewReader(bytes.NewReader(packed))
	}
	// One byte more than the original shows a longer one; no bomb gets further.
	data, err := io.ReadAll(io.LimitReader(unpacked, int64(len(original))+1))
	if err != nil {
		return fmt.Errorf("cannot be unpacked as %s: %w", names[form], err)
	}
	if !bytes.Equal(data, original) {
		return errors.New("unpacks to something else than the file beside it")
	}
	return nil
}
