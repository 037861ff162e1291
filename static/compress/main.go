// Command compress writes the brotli and gzip form of every file of a directory beside it, as index.html.br and
// index.html.gz, for package static to send as they are. It is run when the client is built:
//
//	go run ./static/compress static/dist
//
// Built anew from the same files its output is the same, byte for byte.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/andybalholm/brotli"
)

const (
	// minBytes is the size from which compressing is tried: a smaller file travels in one packet either way.
	minBytes = 1 << 10
	// worthIt is what a compressed form may be at most, in percent of the original. Pictures, fonts and sound, which are
	// compressed already, fail this test; so there is no list of types to keep.
	worthIt = 95
)

// forms are the ways to compress, with the suffix that package static looks for. All are as strong as they go: people
// download what is compressed once.
var forms = []struct {
	suffix string
	writer func(io.Writer) (io.WriteCloser, error)
}{
	{".br", func(w io.Writer) (io.WriteCloser, error) {
		return brotli.NewWriterLevel(w, brotli.BestCompression), nil
	}},
	{".gz", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestCompression) }},
}

// totals is what a run did. Every field may be added to concurrently.
type totals struct {
	files, written     atomic.Int64 // files looked at, compressed forms written
	original, smallest atomic.Int64 // bytes of the files looked at, and of the smallest form of each
}

func main() {
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: compress <directory>\n\nWrites the .br and .gz form of each file beside it, where that saves at least 5 %.")
		os.Exit(2)
	}
	t, err := compressDir(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "compress:", err)
		os.Exit(1)
	}
	fmt.Printf("compress: %d files, %d compressed forms written; %d kB are %d kB on the wire\n",
		t.files.Load(), t.written.Load(), t.original.Load()/1000, t.smallest.Load()/1000)
}

// compressDir compresses the files below dir. Forms of an earlier run are replaced, or removed where they are of no
// use any more. It returns after all its goroutines.
func compressDir(dir string) (*totals, error) {
	names, err := originals(dir)
	if err != nil {
		return nil, err
	}
	var (
		t    totals
		work = make(chan string)
		mu   sync.Mutex
		errs []error // guarded by mu
		wg   sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for name := range work {
				if err := compressFile(name, &t); err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("compress %s: %w", name, err))
					mu.Unlock()
				}
			}
		})
	}
	for _, name := range names {
		work <- name
	}
	close(work)
	wg.Wait()
	return &t, errors.Join(errs...)
}

// originals lists the files below dir that are not compressed forms of others. Dot files are not served, and links
// may lead elsewhere: both are passed over.
func originals(dir string) ([]string, error) {
	present := map[string]bool{}
	var names []string
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error { //nolint:gosec // G703: the caller's own argument
		if err != nil {
			return err
		}
		if name != dir && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".well-known" {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Type().IsRegular() {
			present[name] = true
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept := names[:0]
	for _, name := range names {
		if !isForm(name, present) {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

func isForm(name string, present map[string]bool) bool {
	for _, form := range forms {
		if original, ok := strings.CutSuffix(name, form.suffix); ok && present[original] {
			return true
		}
	}
	return false
}

func compressFile(name string, t *totals) error {
	original, err := os.ReadFile(name) //nolint:gosec // G304: the directory is the caller's argument
	if err != nil {
		return err
	}
	smallest := len(original)
	for _, form := range forms {
		packed, err := pack(original, form.writer)
		if err != nil {
			return err
		}
		target := name + form.suffix
		if packed == nil {
			if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		if err := os.WriteFile(target, packed, 0o644); err != nil { //nolint:gosec // G306: the world will read them
			return err
		}
		t.written.Add(1)
		smallest = min(smallest, len(packed))
	}
	t.files.Add(1)
	t.original.Add(int64(len(original)))
	t.smallest.Add(int64(smallest))
	return nil
}

// pack returns the compressed form, or nil when it is not worth having.
func pack(original []byte, writer func(io.Writer) (io.WriteCloser, error)) ([]byte, error) {
	if len(original) < minBytes {
		return nil, nil
	}
	var buf bytes.Buffer
	w, err := writer(&buf)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(original); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if buf.Len()*100 > len(original)*worthIt {
		return nil, nil
	}
	return buf.Bytes(), nil
}
