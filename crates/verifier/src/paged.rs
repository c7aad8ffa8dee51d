//! Tables by instruction in which little stands.

/// A value for each instruction, of which most are the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paged<T>(Vec<Option<Box<[T; PAGE]>>>);

/// Values of a page. Most functions are short.
const PAGE: usize = 8;

impl<T: Copy + Default + PartialEq> Paged<T> {
    pub(crate) fn get(&self, at: u32) -> T {
        let at = at as usize;
        let page = self.0.get(at / PAGE).and_then(Option::as_deref);
        page.map_or_else(T::default, |page| page[at % PAGE])
    }

    pub(crate) fn set(&mut self, at: u32, value: T) {
        if self.get(at) != value {
            let at = at as usize;
            if self.0.len() <= at / PAGE {
                self.0.resize_with(at / PAGE + 1, || None);
            }
            let page = self.0[at / PAGE].get_or_insert_with(|| Box::new([T::default(); PAGE]));
            page[at % PAGE] = value;
        }
    }
}
