// Package ceil divides whole numbers and rounds up.
package ceil

// Div is a over b rounded up, for a from 0 and b from 1.
func Div[T ~int | ~int64](a, b T) T { return (a + b - 1) / b }
