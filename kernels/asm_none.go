//go:build noasm || !amd64

package kernels

// Without assembly the plain loops beside each call run; none of these is reached.
const fast = false

func dotRows1(w *float32, stride int, x *float32, n, rows int, out *float32, pf *float32, step int) {}
func dotRows2(w *float32, stride int, x *float32, xstride, n, rows int, out *float32, outstride int, pf *float32, step int) {
}
func dotRows3(w *float32, stride int, x *float32, xstride, n, rows int, out *float32, outstride int, pf *float32, step int) {
}
func axpyRows1(o *float32, v *float32, stride int, p *float32, n, rows int, pf *float32, step int) {}
func axpyRows2(o *float32, ostride int, v *float32, stride int, p *float32, pstride, n, rows int, pf *float32, step int) {
}
func expSub(s *float32, n int, m float32) float32                        { return 0 }
func maxOf(s *float32, n int) float32                                    { return 0 }
func siluMul(dst, x, u *float32, n int)                                  {}
func silu(dst, x *float32, n int)                                        {}
func sigmoidMul(dst, x, u *float32, n int)                               {}
func softplusAdd(dst, x, b *float32, n int)                              {}
func mulAdd(dst, a, b *float32, n int)                                   {}
func scanRow(h, a, b, c, dt, dtu, y *float32, channels, n int)           {}
func ssdRows(h, b, c, x, y *float32, rows, n int, decay float32)         {}
func deltaRows(s, k, q, v, o *float32, rows, n int, decay, beta float32) {}

func sumSquares(x *float32, n int, mean float32) (sum, squares float32) { return 0, 0 }
func scaleBy(dst, x, w, b *float32, n int, mean, s float32)             {}
func scaleOnly(dst, x, w *float32, n int, s float32)                    {}
