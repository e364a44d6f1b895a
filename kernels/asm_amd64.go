//go:build !noasm

package kernels

import "golang.org/x/sys/cpu"

// fast says that the AVX2 routines below can run; their n is a multiple of 8, their
// rows a multiple of 4. Strides are in elements.
var fast = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func dotRows1(w *float32, stride int, x *float32, n, rows int, out *float32, pf *float32, step int)

//go:noescape
func dotRows2(w *float32, stride int, x *float32, xstride, n, rows int, out *float32, outstride int, pf *float32, step int)

//go:noescape
func dotRows3(w *float32, stride int, x *float32, xstride, n, rows int, out *float32, outstride int, pf *float32, step int)

//go:noescape
func axpyRows1(o *float32, v *float32, stride int, p *float32, n, rows int, pf *float32, step int)

//go:noescape
func axpyRows2(o *float32, ostride int, v *float32, stride int, p *float32, pstride, n, rows int, pf *float32, step int)

//go:noescape
func expSub(s *float32, n int, m float32) float32

//go:noescape
func maxOf(s *float32, n int) float32

//go:noescape
func siluMul(dst, x, u *float32, n int)

//go:noescape
func silu(dst, x *float32, n int)

//go:noescape
func sigmoidMul(dst, x, u *float32, n int)

//go:noescape
func softplusAdd(dst, x, b *float32, n int)

//go:noescape
func mulAdd(dst, a, b *float32, n int)

//go:noescape
func scanRow(h, a, b, c, dt, dtu, y *float32, channels, n int)

//go:noescape
func ssdRows(h, b, c, x, y *float32, rows, n int, decay float32)

//go:noescape
func deltaRows(s, k, q, v, o *float32, rows, n int, decay, beta float32)

//go:noescape
func sumSquares(x *float32, n int, mean float32) (sum, squares float32)

//go:noescape
func scaleBy(dst, x, w, b *float32, n int, mean, s float32)

//go:noescape
func scaleOnly(dst, x, w *float32, n int, s float32)
