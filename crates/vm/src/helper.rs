//! What programs call, by number (helpers) or by name (kernel functions): the registry, and closures
//! as helpers.

use crate::Cx;
use crate::fault::{AccessError, FaultKind};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use skep_abi::Errno;

/// A helper that did not return to the program.
#[derive(Debug)]
pub enum Stop {
    /// The run faults at the calling instruction.
    Fault(FaultKind),
    /// The helper touched memory on the program's behalf, and may not.
    Access(AccessError),
    /// A callback faulted: the fault knows its own place.
    Nested(Box<crate::Fault>),
    /// The program is replaced by another (`bpf_tail_call`).
    TailCall(u32),
}

impl From<AccessError> for Stop {
    fn from(access: AccessError) -> Self {
        Self::Access(access)
    }
}

impl From<FaultKind> for Stop {
    fn from(kind: FaultKind) -> Self {
        Self::Fault(kind)
    }
}

/// What a helper is at run time: r1 to r5 in, r0 out.
pub(crate) type HelperFn<S> = dyn Fn(&mut Cx<'_, S>, [u64; 5]) -> Result<u64, Stop> + Send + Sync;

/// What a helper does that asks the embedder's state for a number.
pub(crate) type NumberFn<S> = dyn Fn(&mut S) -> u64 + Send + Sync;

/// A named helper.
pub(crate) struct Helper<S> {
    pub(crate) name: String,
    pub(crate) run: Box<HelperFn<S>>,
    /// The same, if it takes nothing, cannot fail, and sees nothing of the run.
    pub(crate) number: Option<Arc<NumberFn<S>>>,
}

impl<S> Helper<S> {
    pub(crate) fn new(name: &str, run: Box<HelperFn<S>>) -> Self {
        Self { name: name.to_string(), run, number: None }
    }
}

/// Helpers by number and kernel functions by name. `S` is the embedder's state, which they get to see.
pub struct Helpers<S> {
    by_id: BTreeMap<i32, Arc<Helper<S>>>,
    kfuncs: BTreeMap<String, Arc<Helper<S>>>,
    refused: BTreeMap<i32, &'static str>,
    refused_kfuncs: BTreeMap<&'static str, &'static str>,
}

impl<S> Default for Helpers<S> {
    fn default() -> Self {
        Self {
            by_id: BTreeMap::new(),
            kfuncs: BTreeMap::new(),
            refused: BTreeMap::new(),
            refused_kfuncs: BTreeMap::new(),
        }
    }
}

impl<S> Helpers<S> {
    /// No helpers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a helper, in place of any other of that number. Closures take up to five integers,
    /// preceded by `&mut Cx<S>` if they want memory, maps or state, and return an integer, `()`, or a
    /// `Result` of one with [`Errno`] (negated in r0) or [`Stop`] (ends the run).
    #[must_use]
    pub fn with<A>(mut self, id: i32, name: &str, helper: impl IntoHelper<S, A>) -> Self {
        let helper = Helper::new(name, helper.into_helper());
        self.by_id.insert(id, Arc::new(helper));
        self
    }

    /// Adds a helper that gives a number of the embedder's state and does nothing else, in place of any other
    /// of that number. Machine code calls it without the detour that others take.
    #[must_use]
    pub fn with_number(
        mut self,
        id: i32,
        name: &str,
        number: impl Fn(&mut S) -> u64 + Send + Sync + 'static,
    ) -> Self
    where
        S: 'static,
    {
        let number: Arc<NumberFn<S>> = Arc::new(number);
        let same = Arc::clone(&number);
        let run = Box::new(move |cx: &mut Cx<'_, S>, _: [u64; 5]| Ok(same(cx.state)));
        let helper = Helper { number: Some(number), ..Helper::new(name, run) };
        self.by_id.insert(id, Arc::new(helper));
        self
    }

    /// Adds a kernel function, in place of any other of that name; see [`Helpers::with`].
    #[must_use]
    pub fn with_kfunc<A>(mut self, name: &str, kfunc: impl IntoHelper<S, A>) -> Self {
        let kfunc = Helper::new(name, kfunc.into_helper());
        self.kfuncs.insert(name.to_string(), Arc::new(kfunc));
        self
    }

    /// Says why there is no helper of that number.
    #[must_use]
    pub fn without(mut self, id: i32, why: &'static str) -> Self {
        self.by_id.remove(&id);
        self.refused.insert(id, why);
        self
    }

    /// Says why there is no kernel function of that name.
    #[must_use]
    pub fn without_kfunc(mut self, name: &'static str, why: &'static str) -> Self {
        self.kfuncs.remove(name);
        self.refused_kfuncs.insert(name, why);
        self
    }

    /// Numbers there are, ascending.
    pub fn ids(&self) -> impl Iterator<Item = i32> + '_ {
        self.by_id.keys().copied()
    }

    /// Numbers and names of helpers, ascending.
    pub fn names(&self) -> impl Iterator<Item = (i32, &str)> {
        self.by_id.iter().map(|(&id, helper)| (id, helper.name.as_str()))
    }

    /// Names of kernel functions, ascending.
    pub fn kfuncs(&self) -> impl Iterator<Item = &str> {
        self.kfuncs.keys().map(String::as_str)
    }

    /// Why there is no helper of that number, where there is a reason.
    #[must_use]
    pub fn why_not(&self, id: i32) -> Option<&'static str> {
        self.refused.get(&id).copied()
    }

    /// Why there is no kernel function of that name, where there is a reason.
    #[must_use]
    pub fn why_no_kfunc(&self, name: &str) -> Option<&'static str> {
        self.refused_kfuncs.get(name).copied()
    }

    pub(crate) fn kfunc(&self, name: &str) -> Option<&Arc<Helper<S>>> {
        self.kfuncs.get(name)
    }

    pub(crate) fn get(&self, id: i32) -> Option<&Arc<Helper<S>>> {
        self.by_id.get(&id)
    }
}

/// An argument register as an integer.
pub trait FromReg {
    /// Truncates as C does when it converts an argument.
    fn from_reg(value: u64) -> Self;
}

/// A result as r0.
pub trait IntoReg {
    /// Sign-extends signed integers.
    fn into_reg(self) -> Result<u64, Stop>;
}

macro_rules! reg {
    ($($ty:ty)*) => {$(
        impl FromReg for $ty {
            #[expect(clippy::allow_attributes, reason = "not every width loses something")]
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "C conversion")]
            fn from_reg(value: u64) -> Self {
                value as Self
            }
        }

        impl IntoReg for $ty {
            #[expect(clippy::allow_attributes, reason = "not every type has a sign")]
            #[allow(clippy::cast_sign_loss, clippy::cast_lossless, reason = "C conversion")]
            fn into_reg(self) -> Result<u64, Stop> {
                Ok(self as u64)
            }
        }
    )*};
}
reg! { u64 i64 u32 i32 }

impl IntoReg for () {
    fn into_reg(self) -> Result<u64, Stop> {
        Ok(0)
    }
}

impl<T: IntoReg> IntoReg for Result<T, Errno> {
    fn into_reg(self) -> Result<u64, Stop> {
        self.map_or_else(|errno| Ok(errno.r0()), T::into_reg)
    }
}

impl<T: IntoReg> IntoReg for Result<T, Stop> {
    fn into_reg(self) -> Result<u64, Stop> {
        self?.into_reg()
    }
}

/// Closures that can be helpers; `A` tells their argument lists apart.
pub trait IntoHelper<S, A> {
    #[doc(hidden)]
    fn into_helper(self) -> Box<HelperFn<S>>;
}

macro_rules! into_helper {
    ($($arg:ident)*) => {
        impl<S, F, R, $($arg),*> IntoHelper<S, (R, $($arg,)*)> for F
        where
            F: Fn($($arg),*) -> R + Send + Sync + 'static,
            R: IntoReg,
            $($arg: FromReg,)*
        {
            fn into_helper(self) -> Box<HelperFn<S>> {
                Box::new(move |_, args| {
                    let mut _args = args.into_iter();
                    self($($arg::from_reg(_args.next().unwrap_or_default())),*).into_reg()
                })
            }
        }

        impl<S, F, R, $($arg),*> IntoHelper<S, (Cx<'static, S>, R, $($arg,)*)> for F
        where
            F: Fn(&mut Cx<'_, S>, $($arg),*) -> R + Send + Sync + 'static,
            R: IntoReg,
            $($arg: FromReg,)*
        {
            fn into_helper(self) -> Box<HelperFn<S>> {
                Box::new(move |cx, args| {
                    let mut _args = args.into_iter();
                    self(cx, $($arg::from_reg(_args.next().unwrap_or_default())),*).into_reg()
                })
            }
        }
    };
}
into_helper! {}
into_helper! { A }
into_helper! { A B }
into_helper! { A B C }
into_helper! { A B C D }
into_helper! { A B C D E }
