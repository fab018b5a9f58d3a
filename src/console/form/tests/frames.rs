//! Whole screens of the form.

use super::*;

#[test]
fn empty_form_names_defaults() {
    insta::assert_snapshot!(shown(&mut empty(), 80, 24), @r#"
    ╭ New job ── simulated, no real money ─────────────────────────────────────────╮
    │ Prompt                                                                       │
    │ │  Describe the image, then press Enter                                      │
    │ │                                                                            │
    │ │                                                                            │
    │ │                                                                            │
    │ │                                                                            │
    │ │                                                                            │
    │   Model              ‹ flux-2-pro ›   1 of 22 · FLUX.2 [pro], 12–14 s        │
    │   Count              1                number of images, 1 to 100             │
    │   Tags               none             labels to filter by, separated by sp…  │
    │   Matrix             ‹ no ›           {fox|owl} in the prompt, models x si…  │
    │ ── parameters of flux-2-pro, all optional                                    │
    │   width              automatic        pixels; absent or 0: the server choo…  │
    │   height             automatic        pixels; absent or 0: the server choo…  │
    │   seed               automatic        the same number gives the same image…  │
    │   output_format      ‹ jpeg ›         file format of the image               │
    │   safety_tolerance   2                0 is the strictest moderation          │
    │   disable_pup        ‹ no ›           take the prompt as it is; otherwise …  │
    │   input_image        none             reference image: file, https URL or …  │
    │                                                                              │
    │ Ctrl+O presets · Ctrl+S save preset · Ctrl+R old prompts · Ctrl+T matrix     │
    │ ~$0.03 for 1 image (simulated, no real money)                                │
    ╰ Enter submits · Tab next · Esc keeps the draft · Alt+Enter line break ───────╯
    "#);
}

#[test]
fn a_filled_form_with_a_mistake() {
    let mut form = empty();
    form.paste("neon fox crossing a wet street,\nreflections, 35 mm");
    go_to(&mut form, "count");
    type_text(&mut form, "3");
    go_to(&mut form, "seed");
    type_text(&mut form, "7");
    go_to(&mut form, "width");
    type_text(&mut form, "100");
    insta::assert_snapshot!(shown(&mut form, 80, 24), @r#"
    ╭ New job ── simulated, no real money ─────────────────────────────────────────╮
    │ Prompt                                                                       │
    │ │ neon fox crossing a wet street,                                            │
    │ │ reflections, 35 mm                                                         │
    │ │                                                                            │
    │ │                                                                            │
    │ │                                                                            │
    │ │                                                                            │
    │   Model              ‹ flux-2-pro ›   1 of 22 · FLUX.2 [pro], 12–14 s        │
    │   Count              3                number of images, 1 to 100             │
    │   Tags               none             labels to filter by, separated by sp…  │
    │   Matrix             ‹ no ›           {fox|owl} in the prompt, models x si…  │
    │ ── parameters of flux-2-pro, all optional                                    │
    │ ▸ width              100                                                     │
    │     100 is not a multiple of 16; near: 96, 112                               │
    │   height             automatic        pixels; absent or 0: the server choo…  │
    │   seed               7                3 images with one seed are identical   │
    │   output_format      ‹ jpeg ›         file format of the image               │
    │   safety_tolerance   2                0 is the strictest moderation          │
    │   disable_pup        ‹ no ›           take the prompt as it is; otherwise …  │
    │   input_image        none             reference image: file, https URL or …  │
    │ Ctrl+O presets · Ctrl+S save preset · Ctrl+R old prompts · Ctrl+T matrix     │
    │ Fix 1 field above to see the price                                           │
    ╰ Enter submits · Tab next · Esc keeps the draft · Ctrl+U clears ──────────────╯
    "#);
    insta::assert_snapshot!(shown(&mut form, 40, 12), @r#"
    ╭ New job ── simulated, no real money ─╮
    │ Prompt                               │
    │ │ neon fox crossing a wet street,    │
    │ │ reflections, 35 mm                 │
    │   Count           3                ↑ │
    │   Tags            none               │
    │   Matrix          ‹ no ›             │
    │ ── parameters of flux-2-pro, all op… │
    │ ▸ width           100                │
    │     100 is not a multiple of 16; n…↓ │
    │ Fix 1 field above to see the price   │
    ╰ Enter submit · Tab next · Esc close ─╯
    "#);
}

#[test]
fn a_wide_screen_has_the_whole_form() {
    let mut form = empty();
    type_text(&mut form, "paper boat");
    go_to(&mut form, "model");
    type_text(&mut form, "kontext");
    insta::assert_snapshot!(shown(&mut form, 120, 26), @r#"
    ╭ New job ── simulated, no real money ─────────────────────────────────────────────────────────────────────────────╮
    │ Prompt                                                                                                           │
    │ │ paper boat                                                                                                     │
    │ │                                                                                                                │
    │ │                                                                                                                │
    │ │                                                                                                                │
    │ │                                                                                                                │
    │ │                                                                                                                │
    │ │                                                                                                                │
    │ ▸ Model              ‹ flux-kontext-pro › "kontext": 1 of 2 · FLUX.1 Kontext [pro] (deprecated), 7–9 s           │
    │   Count              1                number of images, 1 to 100                                                 │
    │   Tags               none             labels to filter by, separated by spaces                                   │
    │   Matrix             ‹ no ›           {fox|owl} in the prompt, models x sizes x seeds                            │
    │ ── parameters of flux-kontext-pro, all optional                                                                  │
    │   aspect_ratio       automatic        width to height, 9:21 to 21:9                                              │
    │   seed               automatic        the same number gives the same image; random when absent                   │
    │   output_format      ‹ png ›          file format of the image                                                   │
    │   safety_tolerance   2                0 is the strictest moderation                                              │
    │   prompt_upsampling  ‹ no ›           let the server rewrite the prompt                                          │
    │   input_image        none             reference image: file, https URL or base64                                 │
    │                                                                                                                  │
    │ Ctrl+O presets · Ctrl+S save preset · Ctrl+R old prompts · Ctrl+T matrix                                         │
    │ ~$0.04 for 1 image (simulated, no real money)  one image: 4 credits (docs.bfl.ai pricing, 2026-01)               │
    ╰ Enter submits · Tab next · Esc keeps the draft · ←→ or type to choose · Ctrl+P/N history · Ctrl+U clears ────────╯
    "#);
}

#[test]
fn a_price_that_is_not_known_says_why() {
    let mut form = empty();
    type_text(&mut form, "paper boat");
    form.draft.model = "flux-pro-1.0-expand".to_owned();
    go_to(&mut form, "image");
    type_text(&mut form, "photo.png");
    let text = shown(&mut form, 100, 24);
    let estimate = Catalog::builtin().estimate(&form.validated.spec);
    assert_eq!(text.contains("price unknown: "), estimate.amount.is_none(), "{text}");
    form.estimate = Estimate::unknown("no price is published");
    assert!(shown(&mut form, 100, 24).contains("price unknown: no price is published"));
}
