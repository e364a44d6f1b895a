package plain

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, good := range []string{"", "phi4-mini", "模型 μP++", "naïve", "نموذج", "a\u200db", "(mamba swa)*8", "=1+2"} {
		if err := Check("name", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"\x1b[31mred", "a\nb", "a\x00", "a\u202eb", "\u0085", "a\x7f", "\xff", "a\u2028b", "\ufeffa", "\uffff"} {
		if err := Check("name", bad); err == nil || !strings.HasPrefix(err.Error(), "name holds the control character U+") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestName(t *testing.T) {
	for _, good := range []string{"phi4-mini", strings.Repeat("é", longest)} {
		if err := Name("name", good); err != nil {
			t.Errorf("%.20q: %v", good, err)
		}
	}
	if err := Name("name", strings.Repeat("é", longest+1)); err == nil || err.Error() != "name has 1001 characters, more than 1000: shorten it" {
		t.Errorf("1,001 characters: %v", err)
	}
	if err := Name("name", "a\nb"); err == nil {
		t.Error("a name of two lines")
	}
	if got, want := Clip(strings.Repeat("é", 81)), strings.Repeat("é", 80)+"… (81 characters)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Clip(strings.Repeat("é", 80)); got != strings.Repeat("é", 80) {
		t.Errorf("80 characters are shortened: %q", got)
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{"a\n b\x1b[2Jc": "a b [2Jc", " a\tb ": "a b", "x\u202ey": "x\ufffdy", "5\u00a0GB": "5\u00a0GB"} {
		if got := Line(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"<script>alert(1)</script>": `\<script>alert(1)\</script>`, `\<b>`: `\\\<b>`, "[x](javascript:1)": `\[x\](javascript:1)`,
		"# head": `\# head`, "a # b": "a # b", "per_head|x*2": `per\_head\|x\*2`, "`code`": "\\`code\\`", "a\x1bb": "a\ufffdb",
	} {
		if got := Markdown(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCell(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "phi4-mini": "phi4-mini", "=HYPERLINK(1)": "'=HYPERLINK(1)", "@sum": "'@sum", "+cmd|x": "'+cmd|x", "-cmd": "'-cmd", "\tx": "'\tx",
		"-1.5e-3": "-1.5e-3", "+2": "+2", "-3 %": "'-3 %", "a=b": "a=b",
	} {
		if got := Cell(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
