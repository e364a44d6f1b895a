package kernels

// mat is a view of rows of float32: the columns of one row are contiguous, rows are
// stride elements apart.
type mat struct {
	data               []float32
	rows, cols, stride int
}

func newMat(data []float32, rows, cols int) mat {
	return mat{data: data, rows: rows, cols: cols, stride: cols}
}

func (m mat) row(i int) []float32 { return m.data[i*m.stride : i*m.stride+m.cols] }

// part is a view of the columns [from, from+cols).
func (m mat) part(from, cols int) mat {
	return mat{data: m.data[from:], rows: m.rows, cols: cols, stride: m.stride}
}

// only is the view of row i alone.
func (m mat) only(i int) mat { return mat{data: m.row(i), rows: 1, cols: m.cols, stride: m.stride} }

// last is the view of the last of every n rows.
func (m mat) last(n int) mat {
	return mat{data: m.data[(n-1)*m.stride:], rows: m.rows / n, cols: m.cols, stride: n * m.stride}
}

// arena hands out scratch that lives until the next reset.
type arena struct {
	buf  []float32
	used int
	need int
}

func (a *arena) reset() {
	if a.need > len(a.buf) {
		a.buf = make([]float32, a.need)
	}
	a.used, a.need = 0, 0
}

// take returns n elements of any value.
func (a *arena) take(n int) []float32 {
	n8 := (n + 15) &^ 15
	a.need += n8
	if a.used+n8 > len(a.buf) {
		return make([]float32, n)
	}
	b := a.buf[a.used : a.used+n : a.used+n]
	a.used += n8
	return b
}

func (a *arena) mat(rows, cols int) mat { return newMat(a.take(rows*cols), rows, cols) }
