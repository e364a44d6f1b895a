package figure

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"sync"

	xfont "golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
)

// Liberation Sans, as codeberg.org/go-fonts/liberation has it, compressed: TestFonts writes
// these files with -update. Their licence is in fonts/LICENSE.
var (
	//go:embed fonts/regular.ttf.gz
	regular []byte
	//go:embed fonts/bold.ttf.gz
	bold []byte
)

// letters sets the text of figures in the two fonts they use. They are read when the first
// figure is laid out.
var letters = sync.OnceValue(func() text.Handler {
	read := func(weight xfont.Weight, packed []byte) font.Face {
		ttf, err := unpack(packed)
		if err != nil {
			panic(fmt.Sprintf("figure: a font of the program cannot be read: %v", err))
		}
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic(fmt.Sprintf("figure: a font of the program cannot be read: %v", err))
		}
		return font.Face{Font: font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight}, Face: f}
	}
	return text.Plain{Fonts: font.NewCache(font.Collection{read(xfont.WeightNormal, regular), read(xfont.WeightBold, bold)})}
})

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
