package figure

import (
	"fmt"
	"sync"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	xfont "golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
)

// letters sets the text of figures in the two fonts they use. They are read when the first
// figure is laid out.
var letters = sync.OnceValue(func() text.Handler {
	read := func(weight xfont.Weight, ttf []byte) font.Face {
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic(fmt.Sprintf("figure: a font of the program cannot be read: %v", err))
		}
		return font.Face{Font: font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight}, Face: f}
	}
	return text.Plain{Fonts: font.NewCache(font.Collection{
		read(xfont.WeightNormal, liberationsansregular.TTF),
		read(xfont.WeightBold, liberationsansbold.TTF)})}
})
