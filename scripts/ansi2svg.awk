# Draws a terminal capture (tmux capture-pane -e) as SVG, one text element per
# run of equal style, each stretched to its cells so that frames meet in any font.
# Usage: awk -v width=120 -v height=40 -f ansi2svg.awk capture > picture.svg
BEGIN {
	W = 8.4; H = 17; pad = 12; fg0 = "#d4d9e2"; bg0 = "#171b24"
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n",
		width * W + 2 * pad, height * H + 2 * pad, width * W + 2 * pad, height * H + 2 * pad
	printf "<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=\"%s\"/>\n", bg0
	print "<g font-family=\"ui-monospace, 'SF Mono', Menlo, 'DejaVu Sans Mono', Consolas, monospace\" font-size=\"14\" xml:space=\"preserve\">"
	split("#20242e #e06c75 #98c379 #e5c07b #61afef #c678dd #56b6c2 #d4d9e2 #5c6370 #e06c75 #98c379 #e5c07b #61afef #c678dd #56b6c2 #ffffff", basic, " ")
	reset()
}
function reset() { fg = ""; bg = ""; bold = 0; under = 0; reverse = 0 }
function hex(r, g, b) { return sprintf("#%02x%02x%02x", r, g, b) }
function indexed(n,   v) {
	if (n < 16) return basic[n + 1]
	if (n >= 232) { v = 8 + 10 * (n - 232); return hex(v, v, v) }
	n -= 16
	return hex(level(int(n / 36)), level(int(n / 6) % 6), level(n % 6))
}
function level(n) { return n == 0 ? 0 : 55 + 40 * n }
function sgr(codes,   p, n, i, c) {
	n = split(codes, p, ";")
	if (n == 0) { reset(); return }
	for (i = 1; i <= n; i++) {
		c = p[i] + 0
		if (c == 0) reset()
		else if (c == 1) bold = 1
		else if (c == 4) under = 1
		else if (c == 7) reverse = 1
		else if (c == 22) bold = 0
		else if (c == 24) under = 0
		else if (c == 27) reverse = 0
		else if (c == 39) fg = ""
		else if (c == 49) bg = ""
		else if (c == 38 || c == 48) {
			if (p[i + 1] == 2) { color = hex(p[i + 2], p[i + 3], p[i + 4]); i += 4 }
			else { color = indexed(p[i + 2]); i += 2 }
			if (c == 38) fg = color; else bg = color
		}
		else if (c >= 30 && c <= 37) fg = basic[c - 29]
		else if (c >= 40 && c <= 47) bg = basic[c - 39]
		else if (c >= 90 && c <= 97) fg = basic[c - 81]
	}
}
# cells counts characters: bytes that do not continue one.
function cells(text,   t) { t = text; gsub(/[\200-\277]/, "", t); return length(t) }
function run(text,   n, x, f, b, weight) {
	n = cells(text)
	if (n == 0) return
	f = fg == "" ? fg0 : fg; b = bg
	if (reverse) { b = f; f = bg == "" ? bg0 : bg }
	x = pad + column * W
	if (b != "") printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", x, pad + (NR - 1) * H, n * W, H, b
	column += n
	if (text ~ /^ *$/) return
	gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text); gsub(/ /, "\302\240", text)
	weight = (bold ? " font-weight=\"bold\"" : "") (under ? " text-decoration=\"underline\"" : "")
	printf "<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\" textLength=\"%.1f\" lengthAdjust=\"spacingAndGlyphs\"%s>%s</text>\n",
		x, pad + (NR - 1) * H + 13, f, n * W, weight, text
}
{
	column = 0
	rest = $0
	while (match(rest, /\033\[[0-9;:]*m/)) {
		if (RSTART > 1) run(substr(rest, 1, RSTART - 1))
		code = substr(rest, RSTART + 2, RLENGTH - 3)
		gsub(/:/, ";", code)
		sgr(code)
		rest = substr(rest, RSTART + RLENGTH)
	}
	run(rest)
}
END { print "</g>\n</svg>" }
