//! Text in the form in which searches and filters compare it.

use icu_normalizer::DecomposingNormalizerBorrowed;

/// The text without case and accents, and with one form for characters that Unicode encodes in several ways (composed and
/// decomposed, full width, ligatures). Folding a part of a text gives the part of the folded text, and folding twice changes
/// nothing.
pub fn fold_for_search(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Case folding may bring a composed character back.
    fold_once(&fold_once(text))
}

fn fold_once(text: &str) -> String {
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(text.chars());
    let base = decomposed.filter(|character| !is_accent(*character)).flat_map(unaccented);
    // By way of upper case, which is one for `ß` and `ss`, and for the forms of a Greek sigma.
    base.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Marks that a reader may leave out: accents, and the vowel points of Hebrew and Arabic. Vowel signs of other scripts are letters.
fn is_accent(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}' | '\u{5c4}'..='\u{5c5}'
        | '\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}

/// Letters with a stroke and digraphs, which Unicode does not decompose.
fn unaccented(character: char) -> impl Iterator<Item = char> {
    let (first, second) = match character {
        'ø' | 'Ø' => ('o', None),
        'ł' | 'Ł' => ('l', None),
        'đ' | 'Đ' => ('d', None),
        'ħ' | 'Ħ' => ('h', None),
        'æ' | 'Æ' => ('a', Some('e')),
        'œ' | 'Œ' => ('o', Some('e')),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_accents_and_composition_do_not_count() {
        for (text, folded) in [
            ("café", "cafe"),
            ("cafe\u{301}", "cafe"),
            ("ÉTÉ", "ete"),
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("İstanbul", "istanbul"),
            ("ISTANBUL", "istanbul"),
            ("Øre, Łódź, Æon", "ore, lodz, aeon"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("Σίσυφος", "σισυφοσ"),
            ("ﬁne ＡＢＣ", "fine abc"),
            ("汉字", "汉字"),
            ("שָׁלוֹם", "שלום"),
            ("हिन्दी", "हिन्दी"),
            ("a [b] (c", "a [b] (c"),
        ] {
            assert_eq!(fold_for_search(text), folded, "{text}");
        }
        assert_ne!(fold_for_search("が"), fold_for_search("か"));
    }

    proptest! {
        #[test]
        fn fold_is_stable_and_keeps_parts(before in "\\PC{0,6}", text in "\\PC{0,8}", after in "\\PC{0,6}") {
            let folded = fold_for_search(&text);
            prop_assert_eq!(fold_for_search(&folded), folded.clone());
            let whole = fold_for_search(&format!("{before} {text} {after}"));
            prop_assert!(whole.contains(&folded), "{whole:?} {folded:?}");
        }
    }
}
