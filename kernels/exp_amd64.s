//go:build !noasm

#include "textflag.h"

// Constants of the exponential: Cephes expf (S. L. Moshier), eight lanes each.
#define LANES(name, v) \
	DATA name<>+0(SB)/4, $v  \
	DATA name<>+4(SB)/4, $v  \
	DATA name<>+8(SB)/4, $v  \
	DATA name<>+12(SB)/4, $v \
	DATA name<>+16(SB)/4, $v \
	DATA name<>+20(SB)/4, $v \
	DATA name<>+24(SB)/4, $v \
	DATA name<>+28(SB)/4, $v \
	GLOBL name<>(SB), RODATA|NOPTR, $32

LANES(one, 0x3f800000)
LANES(two, 0x40000000)
LANES(half, 0x3f000000)
LANES(lowest, 0xc2aeac50)  // -87.33655
LANES(highest, 0x42b00000) // 88
LANES(log2e, 0x3fb8aa3b)
LANES(ln2hi, 0x3f318000)   // 0.693359375
LANES(ln2lo, 0xb95e8083)   // -2.12194440e-4
LANES(e0, 0x39506967)      // 1.9875691500e-4
LANES(e1, 0x3ab743ce)      // 1.3981999507e-3
LANES(e2, 0x3c088908)      // 8.3334519073e-3
LANES(e3, 0x3d2aa9c1)      // 4.1665795894e-2
LANES(e4, 0x3e2aaaaa)      // 1.6666665459e-1
LANES(bias, 127)
LANES(signbit, 0x80000000)
LANES(l3, 0x3eaaaaab)      // 1/3
LANES(l5, 0x3e4ccccd)      // 1/5
LANES(l7, 0x3e124925)      // 1/7
LANES(l9, 0x3de38e39)      // 1/9
LANES(l11, 0x3dba2e8c)     // 1/11
LANES(l13, 0x3d9d89d9)     // 1/13

// EXP replaces x by exp(x); n and p are scratch. A NaN stays one.
#define EXP(x, n, p) \
	VMOVUPS lowest<>(SB), n           \
	VMAXPS  x, n, x                   \
	VMOVUPS highest<>(SB), n          \
	VMINPS  x, n, x                   \
	VMULPS  log2e<>(SB), x, n         \
	VROUNDPS $0, n, n                 \
	VFNMADD231PS ln2hi<>(SB), n, x    \
	VFNMADD231PS ln2lo<>(SB), n, x    \
	VMOVUPS e0<>(SB), p               \
	VFMADD213PS e1<>(SB), x, p        \
	VFMADD213PS e2<>(SB), x, p        \
	VFMADD213PS e3<>(SB), x, p        \
	VFMADD213PS e4<>(SB), x, p        \
	VFMADD213PS half<>(SB), x, p      \
	VFMADD213PS one<>(SB), x, p       \
	VFMADD213PS one<>(SB), x, p       \
	VCVTPS2DQ n, n                    \
	VPADDD  bias<>(SB), n, n          \
	VPSLLD  $23, n, n                 \
	VMULPS  n, p, x

// func expSub(s *float32, n int, m float32) float32
// s[i] = exp(s[i]-m), and their sum.
TEXT ·expSub(SB), NOSPLIT, $0-28
	MOVQ s+0(FP), DI
	MOVQ n+8(FP), CX
	VBROADCASTSS m+16(FP), Y5
	VXORPS Y4, Y4, Y4
	SHLQ $2, CX
	XORQ AX, AX

exploop:
	CMPQ AX, CX
	JGE  expdone
	VMOVUPS (DI)(AX*1), Y0
	VSUBPS Y5, Y0, Y0
	EXP(Y0, Y1, Y2)
	VMOVUPS Y0, (DI)(AX*1)
	VADDPS Y0, Y4, Y4
	ADDQ $32, AX
	JMP  exploop

expdone:
	VEXTRACTF128 $1, Y4, X1
	VADDPS X1, X4, X4
	VHADDPS X4, X4, X4
	VHADDPS X4, X4, X4
	VMOVSS X4, ret+24(FP)
	VZEROUPPER
	RET

// func maxOf(s *float32, n int) float32
TEXT ·maxOf(SB), NOSPLIT, $0-20
	MOVQ s+0(FP), DI
	MOVQ n+8(FP), CX
	SHLQ $2, CX
	VMOVUPS (DI), Y0
	MOVQ $32, AX

maxloop:
	CMPQ AX, CX
	JGE  maxdone
	VMAXPS (DI)(AX*1), Y0, Y0
	ADDQ $32, AX
	JMP  maxloop

maxdone:
	VEXTRACTF128 $1, Y0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0x4e, X0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0xb1, X0, X1
	VMAXPS X1, X0, X0
	VMOVSS X0, ret+16(FP)
	VZEROUPPER
	RET

// SIGMOID replaces x by 1/(1+exp(-x)).
#define SIGMOID(x, n, p) \
	VXORPS signbit<>(SB), x, x \
	EXP(x, n, p)               \
	VADDPS one<>(SB), x, x     \
	VMOVUPS one<>(SB), n       \
	VDIVPS x, n, x

// func siluMul(dst, x, u *float32, n int)
// dst = silu(x)·u
TEXT ·siluMul(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ u+16(FP), R8
	MOVQ n+24(FP), CX
	SHLQ $2, CX
	XORQ AX, AX

smloop:
	CMPQ AX, CX
	JGE  smdone
	VMOVUPS (SI)(AX*1), Y3
	VMOVAPS Y3, Y0
	SIGMOID(Y0, Y1, Y2)
	VMULPS Y3, Y0, Y0
	VMULPS (R8)(AX*1), Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ $32, AX
	JMP  smloop

smdone:
	VZEROUPPER
	RET

// func silu(dst, x *float32, n int)
TEXT ·silu(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	SHLQ $2, CX
	XORQ AX, AX

siloop:
	CMPQ AX, CX
	JGE  sidone
	VMOVUPS (SI)(AX*1), Y3
	VMOVAPS Y3, Y0
	SIGMOID(Y0, Y1, Y2)
	VMULPS Y3, Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ $32, AX
	JMP  siloop

sidone:
	VZEROUPPER
	RET

// func sigmoidMul(dst, x, u *float32, n int)
// dst = sigmoid(x)·u
TEXT ·sigmoidMul(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ u+16(FP), R8
	MOVQ n+24(FP), CX
	SHLQ $2, CX
	XORQ AX, AX

sgloop:
	CMPQ AX, CX
	JGE  sgdone
	VMOVUPS (SI)(AX*1), Y0
	SIGMOID(Y0, Y1, Y2)
	VMULPS (R8)(AX*1), Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ $32, AX
	JMP  sgloop

sgdone:
	VZEROUPPER
	RET

// func softplusAdd(dst, x, b *float32, n int)
// dst = log(1+exp(x+b)) = max(v,0) + log1p(exp(-|v|)), v = x+b; with y the
// exponential and s = y/(2+y), log1p(y) = 2·(s + s³/3 + … + s¹³/13).
TEXT ·softplusAdd(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ b+16(FP), R8
	MOVQ n+24(FP), CX
	SHLQ $2, CX
	XORQ AX, AX

sploop:
	CMPQ AX, CX
	JGE  spdone
	VMOVUPS (SI)(AX*1), Y3
	VADDPS (R8)(AX*1), Y3, Y3
	VORPS  signbit<>(SB), Y3, Y0
	EXP(Y0, Y1, Y2)
	VADDPS two<>(SB), Y0, Y1
	VDIVPS Y1, Y0, Y0
	VMULPS Y0, Y0, Y1
	VMOVUPS l13<>(SB), Y2
	VFMADD213PS l11<>(SB), Y1, Y2
	VFMADD213PS l9<>(SB), Y1, Y2
	VFMADD213PS l7<>(SB), Y1, Y2
	VFMADD213PS l5<>(SB), Y1, Y2
	VFMADD213PS l3<>(SB), Y1, Y2
	VFMADD213PS one<>(SB), Y1, Y2
	VADDPS Y0, Y0, Y0
	VMULPS Y2, Y0, Y0
	VXORPS Y1, Y1, Y1
	VMAXPS Y3, Y1, Y3
	VADDPS Y3, Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ $32, AX
	JMP  sploop

spdone:
	VZEROUPPER
	RET

// func mulAdd(dst, a, b *float32, n int)
// dst += a·b
TEXT ·mulAdd(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), R8
	MOVQ n+24(FP), CX
	SHLQ $2, CX
	XORQ AX, AX

maloop:
	CMPQ AX, CX
	JGE  madone
	VMOVUPS (DI)(AX*1), Y0
	VMOVUPS (SI)(AX*1), Y1
	VFMADD231PS (R8)(AX*1), Y1, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ $32, AX
	JMP  maloop

madone:
	VZEROUPPER
	RET

// func scanRow(h, a, b, c, dt, dtu, y *float32, channels, n int)
// One position of the selective scan for some channels of n states:
// h = exp(dt·a)·h + dtu·b, y = h·c.
TEXT ·scanRow(SB), NOSPLIT, $0-72
	MOVQ h+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), R8
	MOVQ c+24(FP), R9
	MOVQ dt+32(FP), R10
	MOVQ dtu+40(FP), R11
	MOVQ y+48(FP), R12
	MOVQ channels+56(FP), R13
	MOVQ n+64(FP), CX
	SHLQ $2, CX

scanchan:
	CMPQ R13, $0
	JLE  scandone
	VBROADCASTSS (R10), Y6
	VBROADCASTSS (R11), Y7
	VXORPS Y5, Y5, Y5
	XORQ AX, AX

scanloop:
	VMULPS (SI)(AX*1), Y6, Y0
	EXP(Y0, Y1, Y2)
	VMULPS (R8)(AX*1), Y7, Y3
	VFMADD132PS (DI)(AX*1), Y3, Y0
	VMOVUPS Y0, (DI)(AX*1)
	VFMADD231PS (R9)(AX*1), Y0, Y5
	ADDQ $32, AX
	CMPQ AX, CX
	JLT  scanloop

	VEXTRACTF128 $1, Y5, X0
	VADDPS X0, X5, X5
	VHADDPS X5, X5, X5
	VHADDPS X5, X5, X5
	VMOVSS X5, (R12)
	ADDQ CX, DI
	ADDQ CX, SI
	ADDQ $4, R10
	ADDQ $4, R11
	ADDQ $4, R12
	DECQ R13
	JMP  scanchan

scandone:
	VZEROUPPER
	RET

// func ssdRows(h, b, c, x, y *float32, rows, n int, decay float32)
// One position of Mamba-2 for the rows of one head: h = decay·h + x·b, y = h·c.
TEXT ·ssdRows(SB), NOSPLIT, $0-60
	MOVQ h+0(FP), DI
	MOVQ b+8(FP), R8
	MOVQ c+16(FP), R9
	MOVQ x+24(FP), R10
	MOVQ y+32(FP), R12
	MOVQ rows+40(FP), R13
	MOVQ n+48(FP), CX
	VBROADCASTSS decay+56(FP), Y6
	SHLQ $2, CX

ssdrow:
	CMPQ R13, $0
	JLE  ssddone
	VBROADCASTSS (R10), Y7
	VXORPS Y5, Y5, Y5
	XORQ AX, AX

ssdloop:
	VMULPS (R8)(AX*1), Y7, Y0
	VFMADD231PS (DI)(AX*1), Y6, Y0
	VMOVUPS Y0, (DI)(AX*1)
	VFMADD231PS (R9)(AX*1), Y0, Y5
	ADDQ $32, AX
	CMPQ AX, CX
	JLT  ssdloop

	VEXTRACTF128 $1, Y5, X0
	VADDPS X0, X5, X5
	VHADDPS X5, X5, X5
	VHADDPS X5, X5, X5
	VMOVSS X5, (R12)
	ADDQ CX, DI
	ADDQ $4, R10
	ADDQ $4, R12
	DECQ R13
	JMP  ssdrow

ssddone:
	VZEROUPPER
	RET

// func deltaRows(s, k, q, v, o *float32, rows, n int, decay, beta float32)
// One position of the gated delta rule for the value rows of one head:
// s = decay·s, d = beta·(v - s·k), s += d·k, o = s·q.
TEXT ·deltaRows(SB), NOSPLIT, $0-64
	MOVQ s+0(FP), DI
	MOVQ k+8(FP), R8
	MOVQ q+16(FP), R9
	MOVQ v+24(FP), R10
	MOVQ o+32(FP), R12
	MOVQ rows+40(FP), R13
	MOVQ n+48(FP), CX
	VBROADCASTSS decay+56(FP), Y6
	VMOVSS beta+60(FP), X8
	SHLQ $2, CX

deltarow:
	CMPQ R13, $0
	JLE  deltadone
	VXORPS Y5, Y5, Y5
	XORQ AX, AX

delta1:
	VMULPS (DI)(AX*1), Y6, Y0
	VMOVUPS Y0, (DI)(AX*1)
	VFMADD231PS (R8)(AX*1), Y0, Y5
	ADDQ $32, AX
	CMPQ AX, CX
	JLT  delta1

	VEXTRACTF128 $1, Y5, X0
	VADDPS X0, X5, X5
	VHADDPS X5, X5, X5
	VHADDPS X5, X5, X5
	VMOVSS (R10), X1
	VSUBSS X5, X1, X1
	VMULSS X8, X1, X1
	VBROADCASTSS X1, Y7
	VXORPS Y5, Y5, Y5
	XORQ AX, AX

delta2:
	VMOVUPS (DI)(AX*1), Y0
	VFMADD231PS (R8)(AX*1), Y7, Y0
	VMOVUPS Y0, (DI)(AX*1)
	VFMADD231PS (R9)(AX*1), Y0, Y5
	ADDQ $32, AX
	CMPQ AX, CX
	JLT  delta2

	VEXTRACTF128 $1, Y5, X0
	VADDPS X0, X5, X5
	VHADDPS X5, X5, X5
	VHADDPS X5, X5, X5
	VMOVSS X5, (R12)
	ADDQ CX, DI
	ADDQ $4, R10
	ADDQ $4, R12
	DECQ R13
	JMP  deltarow

deltadone:
	VZEROUPPER
	RET

// HSUM1 leaves the sum of the lanes of y in the lowest of x; t is scratch.
#define HSUM1(y, x, t) \
	VEXTRACTF128 $1, y, t \
	VADDPS  t, x, x       \
	VHADDPS x, x, x       \
	VHADDPS x, x, x

// func sumSquares(x *float32, n int, mean float32) (sum, squares float32)
// Σx and Σ(x−mean)².
TEXT ·sumSquares(SB), NOSPLIT, $0-32
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS mean+16(FP), Y6
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	MOVQ CX, BX
	ANDQ $15, BX
	SUBQ BX, CX

ssloop:
	CMPQ CX, $0
	JLE  sshalf
	VMOVUPS (SI), Y4
	VMOVUPS 32(SI), Y5
	VADDPS Y4, Y0, Y0
	VADDPS Y5, Y1, Y1
	VSUBPS Y6, Y4, Y4
	VSUBPS Y6, Y5, Y5
	VFMADD231PS Y4, Y4, Y2
	VFMADD231PS Y5, Y5, Y3
	ADDQ $64, SI
	SUBQ $16, CX
	JMP  ssloop

sshalf:
	CMPQ BX, $0
	JEQ  ssdone
	VMOVUPS (SI), Y4
	VADDPS Y4, Y0, Y0
	VSUBPS Y6, Y4, Y4
	VFMADD231PS Y4, Y4, Y2

ssdone:
	VADDPS Y1, Y0, Y0
	VADDPS Y3, Y2, Y2
	HSUM1(Y0, X0, X1)
	HSUM1(Y2, X2, X3)
	VMOVSS X0, sum+24(FP)
	VMOVSS X2, squares+28(FP)
	VZEROUPPER
	RET

// func scaleBy(dst, x, w, b *float32, n int, mean, s float32)
// dst = (x−mean)·s·w + b
TEXT ·scaleBy(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ w+16(FP), R8
	MOVQ b+24(FP), R9
	MOVQ n+32(FP), CX
	VBROADCASTSS mean+40(FP), Y4
	VBROADCASTSS s+44(FP), Y5
	SHLQ $2, CX
	XORQ AX, AX

sbloop:
	CMPQ AX, CX
	JGE  sbdone
	VMOVUPS (SI)(AX*1), Y0
	VSUBPS  Y4, Y0, Y0
	VMULPS  Y5, Y0, Y0
	VMOVUPS (R8)(AX*1), Y1
	VFMADD213PS (R9)(AX*1), Y1, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ $32, AX
	JMP  sbloop

sbdone:
	VZEROUPPER
	RET

// func scaleOnly(dst, x, w *float32, n int, s float32)
// dst = x·s·w
TEXT ·scaleOnly(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ w+16(FP), R8
	MOVQ n+24(FP), CX
	VBROADCASTSS s+32(FP), Y5
	SHLQ $2, CX
	XORQ AX, AX

soloop:
	CMPQ AX, CX
	JGE  sodone
	VMULPS (SI)(AX*1), Y5, Y0
	VMULPS (R8)(AX*1), Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ $32, AX
	JMP  soloop

sodone:
	VZEROUPPER
	RET
