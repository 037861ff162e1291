package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// snapshot returns the content of every file below dir by its slash-separated name.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		found[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func noise(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

func TestCompressDir_writesWhatIsWorthIt(t *testing.T) {
	dir := t.TempDir()
	script := []byte(strings.Repeat("export const greeting = 'hello';\n", 200))
	write(t, dir, "_next/static/app.js", script)
	write(t, dir, "small.txt", bytes.Repeat([]byte("a"), minBytes-1))
	write(t, dir, "photo.jpg", noise(20_000))
	write(t, dir, ".hidden/secret.txt", script)
	write(t, dir, ".gitkeep", nil)

	sum, err := compressDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := snapshot(t, dir)
	got := make([]string, 0, len(files))
	for name := range files {
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{
		".gitkeep", ".hidden/secret.txt", "_next/static/app.js", "_next/static/app.js.br", "_next/static/app.js.gz",
		"photo.jpg", "small.txt",
	}
	if !slices.Equal(got, want) {
		t.Errorf("files are %q, want %q", got, want)
	}
	if sum.files.Load() != 3 || sum.written.Load() != 2 {
		t.Errorf("counted %d files and %d forms, want 3 and 2", sum.files.Load(), sum.written.Load())
	}

	unzip, err := gzip.NewReader(strings.NewReader(files["_next/static/app.js.gz"]))
	if err != nil {
		t.Fatal(err)
	}
	for form, reader := range map[string]io.Reader{
		"gzip": unzip, "brotli": brotli.NewReader(strings.NewReader(files["_next/static/app.js.br"])),
	} {
		if back, err := io.ReadAll(reader); err != nil || !bytes.Equal(back, script) {
			t.Errorf("%s unpacks to %d bytes, %v; want the %d of the original", form, len(back), err, len(script))
		}
	}
}

func TestCompressDir_runTwiceIsTheSame(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.css", []byte(strings.Repeat("body { margin: 0 }\n", 300)))
	write(t, dir, "b.html", []byte(strings.Repeat("<p>hello</p>\n", 300)))
	if _, err := compressDir(dir); err != nil {
		t.Fatal(err)
	}
	first := snapshot(t, dir)
	if _, err := compressDir(dir); err != nil {
		t.Fatal(err)
	}
	second := snapshot(t, dir)
	if len(first) != 6 || len(second) != len(first) {
		t.Fatalf("there are %d files, then %d; want 6 both times", len(first), len(second))
	}
	for name, data := range first {
		if second[name] != data {
			t.Errorf("%s differs after the second run", name)
		}
	}
}

func TestCompressDir_removesFormsThatWentStale(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "page.html", []byte("<p>short now</p>"))
	write(t, dir, "page.html.br", []byte("of a longer page"))
	write(t, dir, "page.html.gz", []byte("of a longer page"))
	if _, err := compressDir(dir); err != nil {
		t.Fatal(err)
	}
	if files := snapshot(t, dir); len(files) != 1 {
		t.Errorf("%d files are left, want page.html alone", len(files))
	}
}

func TestCompressDir_aGzipFileOfItsOwnIsAnOriginal(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "archive.gz", []byte(strings.Repeat("not compressed at all ", 200)))
	if _, err := compressDir(dir); err != nil {
		t.Fatal(err)
	}
	if _, ok := snapshot(t, dir)["archive.gz.br"]; !ok {
		t.Error("archive.gz has no original beside it and was taken for a compressed form")
	}
}

func TestCompressDir_namesTheDirectoryThatIsNotThere(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "dist")
	if _, err := compressDir(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error is %v, want one that names %s", err, missing)
	}
}
