namespace StreamRec.Models.Text;

/// <summary>Where a token stands in the text that it was read from.</summary>
/// <param name="Start">First UTF-16 unit of the characters that the token spells.</param>
/// <param name="End">The unit after them. A character of several bytes may be spelled by several tokens, and then lies in each of them.</param>
/// <param name="ByteStart">The first of its bytes in the text as UTF-8.</param>
/// <param name="ByteEnd">The byte after them; tokens never share a byte. A space put before the text has no bytes there.</param>
public readonly record struct TokenOffset(int Start, int End, int ByteStart, int ByteEnd);
