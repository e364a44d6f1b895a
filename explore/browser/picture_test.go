package browser

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/OWNER/ridgeline/explore/browser/chrome"
)

var picture = flag.String("picture", "", "write a picture of the page for the README to this file")

// TestPicture makes docs/images/explore.png:
//
//	go test . -run TestPicture -picture ../../docs/images/explore.png
func TestPicture(t *testing.T) {
	if *picture == "" {
		t.Skip("no -picture is asked for")
	}
	p := &page{t, chrome.Open(t, 8*time.Minute)}
	address := serve(t, "phi4-mini", "phi4-mini-flash", "--on", "h200", "--batch", "16")
	p.do(emulation.SetDeviceMetricsOverride(1280, 1340, 1, false), chromedp.Navigate(address), chromedp.WaitVisible("#table tbody tr"))
	p.settle()
	var b []byte
	p.do(chromedp.CaptureScreenshot(&b))
	full, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few(full)); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 200_000 {
		t.Errorf("the picture takes %d bytes", out.Len())
	}
	if err := os.WriteFile(*picture, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// few is a picture in its 256 most frequent colours.
func few(m image.Image) *image.Paletted {
	r := m.Bounds()
	count := map[color.NRGBA]int{}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			count[color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)]++
		}
	}
	var all []color.NRGBA
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.NRGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(int(a.R)<<16|int(a.G)<<8|int(a.B), int(b.R)<<16|int(b.G)<<8|int(b.B)))
	})
	var p color.Palette
	for _, c := range all[:min(256, len(all))] {
		p = append(p, c)
	}
	out := image.NewPaletted(r, p)
	draw.Draw(out, r, m, r.Min, draw.Src)
	return out
}
