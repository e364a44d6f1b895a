package figure

import (
	"bytes"
	"compress/gzip"
	"os"
	"testing"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
)

// The fonts in the program are the published ones, byte for byte.
func TestFonts(t *testing.T) {
	for file, ttf := range map[string][]byte{"fonts/regular.ttf.gz": liberationsansregular.TTF, "fonts/bold.ttf.gz": liberationsansbold.TTF} {
		if *update {
			var b bytes.Buffer
			z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := z.Write(ttf); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		packed, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unpack(packed); err != nil || !bytes.Equal(got, ttf) {
			t.Errorf("%s is not the published font: %v", file, err)
		}
	}
}
