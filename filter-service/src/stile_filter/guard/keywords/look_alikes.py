"""Look-alikes of Latin letters that Unicode's TR39 does not give one: the nearest by shape.

The alphabets are those that text generators on the web offer ("fancy text"), and Cyrillic, Greek and
Armenian letters as people write Latin words with them.
"""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"

_ALPHABETS = (
    "ᗩᗷᑕᗪeᖴgᕼiᒍkᒪᗰᑎoᑭᑫᖇᔕtᑌᐯᗯ᙭yᘔ",
    "卂乃匚ᗪ乇千Ꮆ卄丨フҝㄥ爪几ㄖ卩ɋ尺丂ㄒㄩᐯ山乂ㄚ乙",
    "ąɓƈđεƒɠɧïʝҡℓɱŋσþҩŗşţų√щхγẕ",
    "αв¢∂єƒgнιנкℓмησρqяѕтυνωχуz",
    "ค๒ς๔єŧﻮђเןкl๓ภ๏קợгรtยשฬאץz",
    "ꍏꌃꉓꀸꍟꎇꁅꃅꀤꀭꀘ꒒ꎭꈤꂦᖘꆰꋪꌗ꓄ꀎᐯꅏꊼꌩꁴ",
    "ꮧᏸፈꮄꮛꭶꮆꮒꭵꮰꮶꮭꮇꮑꭷꭾꭴꮢꮥꮦꮼꮙꮗጀꭹፚ",
    "ǟɮƈɖɛʄɢɦɨʝӄʟʍռօքզʀֆȶʊʋաӽʏʐ",
    "ልጌርዕቿቻኗዘጎጋጕረጠክዐየዒዪነፕሁሀሠሸሃጊ",
    "дбcdξfghijҝlmифpǫяsγцvщжуz",
    "ɑɓɕɗɘƒɡɧɩɟƙɭɯɳɵƥʠɽʂƭμʋɰχɣʑ",
    "ʌʙɔɖəʄɢɦɨʝʞɬɱɲøƿɋɹʃʈʉʌɯҳʎʒ",
    "ªßç∂ɛ£ɠħ¡ĵқłɱñ¤þ¶®§†µ√ŵ×¥ž",
)

ALPHABETS = tuple(
    {
        ord(form): letter
        for char, letter in zip(alphabet, _LETTERS, strict=True)
        if not char.isascii()
        for form in {char, char.casefold(), char.upper()}
        if len(form) == 1
    }
    for alphabet in _ALPHABETS
)
"""The same, one table for each: a character looks like another letter in another one."""

_ENCLOSED_FIRST = (
    0x1F110,  # parenthesised capitals
    0x1F130,  # squared
    0x1F150,  # negative circled
    0x1F170,  # negative squared
    0x1F1E6,  # regional indicators
    0x249C,  # parenthesised small letters
)

ENCLOSED = {chr(first + index): letter for first in _ENCLOSED_FIRST for index, letter in enumerate(_LETTERS)}
"""Letters in a frame, which NFKD writes with the frame or leaves as they are."""

SMALL_CAPITALS = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz", strict=True))

LOOSE = {
    char.casefold(): letter
    for alphabet in _ALPHABETS
    for char, letter in zip(alphabet, _LETTERS, strict=True)
    if not char.isascii()
} | dict(
    zip(
        "бвгзийклмнптуцшщьыєαβγδεζηθικλμνξοπρστυφχψωςաբգդեհլնոպստցք",
        "bbreunklmhntyuwwbbeabydeznoiklmneonpstuoxyw" + "supqnthlnnustgp",
        strict=True,
    )
)
"""A letter that is found in several of them looks like the last."""

UPSIDE_DOWN = {
    turned: letter
    for row, letters in (
        ("ɐqɔpǝɟƃɓɥᴉıɾʞʃןɯuodbɹsʇnʌʍxʎz", "abcdefgghiijkllmnopqrstuvwxyz"),
        ("∀ԐƆᗡƎℲ⅁פHIſʞ⅂˥WNOԀQᴚS┴∩ΛMX⅄Z", "abcdefgghijkllmnopqrstuvwxyz"),
    )
    for turned, letter in zip(row, letters, strict=True)
}
"""Letters turned by half a circle, which are read from the end."""
