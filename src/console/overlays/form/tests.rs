//! The form as people meet it: keys in, screen out.

use super::*;
use crate::console::samples::screen;
use crate::console::theme::Theme;

fn form() -> Form {
    Form::new(Catalog::builtin(), None, vec![], true)
}

#[test]
fn look() {
    for (w, h) in [(200, 60), (80, 24), (40, 12)] {
        let mut form = form();
        println!("{}\n", screen(w, h, |frame| form.draw(frame, frame.area(), &Theme::dark())));
        form.paste("neon fox crossing a wet street,\nreflections, 35 mm");
        form.focus_on(Field::Parameter(0));
        form.paste("100");
        form.draft.count = "3".into();
        form.draft.set("seed", "7".into());
        form.changed();
        println!("{}\n", screen(w, h, |frame| form.draw(frame, frame.area(), &Theme::dark())));
    }
}
