package figure

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"time"

	"codeberg.org/go-pdf/fpdf"
	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// pdfCanvas draws into one page of PDF with the figure's own fonts embedded whole in
// Unicode, so that · and × are those characters and bold is bold; gonum's own canvas writes
// UTF-8 as Windows letters. It carries no date: the same figure makes the same bytes.
type pdfCanvas struct {
	doc   *fpdf.Fpdf
	h     float64
	at    transform
	line  vg.Length
	stack []state
	fonts map[string]bool
	err   error
}

type state struct {
	at   transform
	line vg.Length
}

// transform maps (x, y) to (a·x+c·y+e, b·x+d·y+f).
type transform struct{ a, b, c, d, e, f float64 }

func (t transform) then(u transform) transform { // u first, then t
	return transform{t.a*u.a + t.c*u.b, t.b*u.a + t.d*u.b, t.a*u.c + t.c*u.d, t.b*u.c + t.d*u.d,
		t.a*u.e + t.c*u.f + t.e, t.b*u.e + t.d*u.f + t.f}
}

func newPDF(w, h vg.Length, title string) *pdfCanvas {
	doc := fpdf.NewCustom(&fpdf.InitType{UnitStr: "pt", Size: fpdf.SizeType{Wd: w.Points(), Ht: h.Points()}})
	epoch := time.Unix(0, 0).UTC()
	doc.SetCreationDate(epoch)
	doc.SetModificationDate(epoch)
	doc.SetCatalogSort(true)
	doc.SetTitle(title, true)
	doc.SetMargins(0, 0, 0)
	doc.SetAutoPageBreak(false, 0)
	doc.AddPage()
	c := &pdfCanvas{doc: doc, h: h.Points(), at: transform{a: 1, d: 1}, fonts: map[string]bool{}}
	vg.Initialize(c)
	return c
}

// point is where a point of the figure, whose y grows upwards, lies on the page.
func (c *pdfCanvas) point(p vg.Point) (x, y float64) {
	return c.at.a*float64(p.X) + c.at.c*float64(p.Y) + c.at.e, c.h - (c.at.b*float64(p.X) + c.at.d*float64(p.Y) + c.at.f)
}

func (c *pdfCanvas) SetLineWidth(w vg.Length) {
	c.line = w
	c.doc.SetLineWidth(w.Points())
}

func (c *pdfCanvas) SetLineDash(dashes []vg.Length, offset vg.Length) {
	d := make([]float64, len(dashes))
	for i := range dashes {
		d[i] = dashes[i].Points()
	}
	c.doc.SetDashPattern(d, offset.Points())
}

func (c *pdfCanvas) SetColor(k color.Color) {
	if k == nil {
		k = color.Black
	}
	n := color.NRGBAModel.Convert(k).(color.NRGBA)
	r, g, b := int(n.R), int(n.G), int(n.B)
	c.doc.SetFillColor(r, g, b)
	c.doc.SetDrawColor(r, g, b)
	c.doc.SetTextColor(r, g, b)
	c.doc.SetAlpha(float64(n.A)/255, "Normal")
}

func (c *pdfCanvas) Rotate(r float64) {
	sin, cos := math.Sincos(r)
	c.at = c.at.then(transform{cos, sin, -sin, cos, 0, 0})
}

func (c *pdfCanvas) Translate(p vg.Point) {
	c.at = c.at.then(transform{1, 0, 0, 1, float64(p.X), float64(p.Y)})
}

func (c *pdfCanvas) Scale(x, y float64) { c.at = c.at.then(transform{x, 0, 0, y, 0, 0}) }

func (c *pdfCanvas) Push() { c.stack = append(c.stack, state{c.at, c.line}) }

func (c *pdfCanvas) Pop() {
	last := c.stack[len(c.stack)-1]
	c.stack = c.stack[:len(c.stack)-1]
	c.at = last.at
	c.SetLineWidth(last.line)
}

func (c *pdfCanvas) Stroke(p vg.Path) {
	if c.line > 0 {
		c.path(p, "D")
	}
}

func (c *pdfCanvas) Fill(p vg.Path) { c.path(p, "F") }

func (c *pdfCanvas) path(p vg.Path, how string) {
	for _, k := range p {
		switch k.Type {
		case vg.MoveComp:
			c.doc.MoveTo(c.point(k.Pos))
		case vg.LineComp:
			c.doc.LineTo(c.point(k.Pos))
		case vg.ArcComp:
			c.arc(k)
		case vg.CurveComp:
			x, y := c.point(k.Pos)
			x0, y0 := c.point(k.Control[0])
			if len(k.Control) == 1 {
				c.doc.CurveTo(x0, y0, x, y)
				continue
			}
			x1, y1 := c.point(k.Control[1])
			c.doc.CurveBezierCubicTo(x0, y0, x1, y1, x, y)
		case vg.CloseComp:
			c.doc.ClosePath()
		}
	}
	c.doc.DrawPath(how)
}

// arc is drawn as cubic curves of at most a quarter turn each, whose handles are
// 4/3·tan(angle/4) of the radius.
func (c *pdfCanvas) arc(k vg.PathComp) {
	n := max(1, math.Ceil(math.Abs(k.Angle)/(math.Pi/2)))
	step := k.Angle / n
	handle := vg.Length(4.0/3*math.Tan(step/4)) * k.Radius
	on := func(a float64) (p, along vg.Point) {
		sin, cos := math.Sincos(a)
		return vg.Point{X: k.Pos.X + k.Radius*vg.Length(cos), Y: k.Pos.Y + k.Radius*vg.Length(sin)}, vg.Point{X: -handle * vg.Length(sin), Y: handle * vg.Length(cos)}
	}
	from, fd := on(k.Start)
	c.doc.LineTo(c.point(from))
	for i := range int(n) {
		to, td := on(k.Start + step*float64(i+1))
		x0, y0 := c.point(from.Add(fd))
		x1, y1 := c.point(to.Sub(td))
		x, y := c.point(to)
		c.doc.CurveBezierCubicTo(x0, y0, x1, y1, x, y)
		from, fd = to, td
	}
}

func (c *pdfCanvas) FillString(f font.Face, p vg.Point, s string) {
	if f.Font.Size == 0 || s == "" {
		return
	}
	how := ""
	if f.Font.Weight >= xfont.WeightBold {
		how = "B"
	}
	if name := f.Name(); !c.fonts[name+how] {
		c.fonts[name+how] = true
		var b bytes.Buffer
		if _, err := f.Face.WriteSourceTo(nil, &b); err != nil {
			c.err = fmt.Errorf("font %s: %w", name, err)
			return
		}
		c.doc.AddUTF8FontFromBytes(name, how, b.Bytes())
	}
	c.doc.SetFont(f.Name(), how, f.Font.Size.Points())
	x, y := c.point(p)
	c.doc.TransformBegin()
	c.doc.TransformRotate(math.Atan2(c.at.b, c.at.a)*180/math.Pi, x, y)
	c.doc.Text(x, y, s)
	c.doc.TransformEnd()
}

// DrawImage is part of a canvas; no figure has pictures.
func (c *pdfCanvas) DrawImage(vg.Rectangle, image.Image) {
	c.err = fmt.Errorf("figures hold no pictures")
}

func (c *pdfCanvas) write(w io.Writer) error {
	if c.err != nil {
		return c.err
	}
	return c.doc.Output(w)
}

func (c *pdfCanvas) Size() (w, h vg.Length) {
	x, y := c.doc.GetPageSize()
	return vg.Length(x), vg.Length(y)
}
