//! Error numbers and their names.

use std::fmt;

/// An error number of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident $number:literal),* $(,)?) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($name), "`, ", $number, ".")]
                pub const $name: Errno = Errno($number);
            )*
        }

        /// Name and number of each, sorted by number.
        const NAMES: &[(&str, i32)] = &[$((stringify!($name), $number)),*];
    };
}

#[rustfmt::skip]
errnos! {
    EPERM              1,
    ENOENT             2,
    ESRCH              3,
    EINTR              4,
    EIO                5,
    ENXIO              6,
    E2BIG              7,
    ENOEXEC            8,
    EBADF              9,
    ECHILD            10,
    EAGAIN            11,
    ENOMEM            12,
    EACCES            13,
    EFAULT            14,
    ENOTBLK           15,
    EBUSY             16,
    EEXIST            17,
    EXDEV             18,
    ENODEV            19,
    ENOTDIR           20,
    EISDIR            21,
    EINVAL            22,
    ENFILE            23,
    EMFILE            24,
    ENOTTY            25,
    ETXTBSY           26,
    EFBIG             27,
    ENOSPC            28,
    ESPIPE            29,
    EROFS             30,
    EMLINK            31,
    EPIPE             32,
    EDOM              33,
    ERANGE            34,
    EDEADLK           35,
    ENAMETOOLONG      36,
    ENOLCK            37,
    ENOSYS            38,
    ENOTEMPTY         39,
    ELOOP             40,
    ENOMSG            42,
    EIDRM             43,
    ECHRNG            44,
    EL2NSYNC          45,
    EL3HLT            46,
    EL3RST            47,
    ELNRNG            48,
    EUNATCH           49,
    ENOCSI            50,
    EL2HLT            51,
    EBADE             52,
    EBADR             53,
    EXFULL            54,
    ENOANO            55,
    EBADRQC           56,
    EBADSLT           57,
    EBFONT            59,
    ENOSTR            60,
    ENODATA           61,
    ETIME             62,
    ENOSR             63,
    ENONET            64,
    ENOPKG            65,
    EREMOTE           66,
    ENOLINK           67,
    EADV              68,
    ESRMNT            69,
    ECOMM             70,
    EPROTO            71,
    EMULTIHOP         72,
    EDOTDOT           73,
    EBADMSG           74,
    EOVERFLOW         75,
    ENOTUNIQ          76,
    EBADFD            77,
    EREMCHG           78,
    ELIBACC           79,
    ELIBBAD           80,
    ELIBSCN           81,
    ELIBMAX           82,
    ELIBEXEC          83,
    EILSEQ            84,
    ERESTART          85,
    ESTRPIPE          86,
    EUSERS            87,
    ENOTSOCK          88,
    EDESTADDRREQ      89,
    EMSGSIZE          90,
    EPROTOTYPE        91,
    ENOPROTOOPT       92,
    EPROTONOSUPPORT   93,
    ESOCKTNOSUPPORT   94,
    EOPNOTSUPP        95,
    EPFNOSUPPORT      96,
    EAFNOSUPPORT      97,
    EADDRINUSE        98,
    EADDRNOTAVAIL     99,
    ENETDOWN         100,
    ENETUNREACH      101,
    ENETRESET        102,
    ECONNABORTED     103,
    ECONNRESET       104,
    ENOBUFS          105,
    EISCONN          106,
    ENOTCONN         107,
    ESHUTDOWN        108,
    ETOOMANYREFS     109,
    ETIMEDOUT        110,
    ECONNREFUSED     111,
    EHOSTDOWN        112,
    EHOSTUNREACH     113,
    EALREADY         114,
    EINPROGRESS      115,
    ESTALE           116,
    EUCLEAN          117,
    ENOTNAM          118,
    ENAVAIL          119,
    EISNAM           120,
    EREMOTEIO        121,
    EDQUOT           122,
    ENOMEDIUM        123,
    EMEDIUMTYPE      124,
    ECANCELED        125,
    ENOKEY           126,
    EKEYEXPIRED      127,
    EKEYREVOKED      128,
    EKEYREJECTED     129,
    EOWNERDEAD       130,
    ENOTRECOVERABLE  131,
    ERFKILL          132,
    EHWPOISON        133,
    EFTYPE           134,
}

/// Aliases, with the main name.
const ALIASES: &[(&str, Errno)] = &[
    ("EDEADLOCK", Errno::EDEADLK),
    ("EFSBADCRC", Errno::EBADMSG),
    ("EFSCORRUPTED", Errno::EUCLEAN),
    ("ENOTSUP", Errno::EOPNOTSUPP),
    ("EWOULDBLOCK", Errno::EAGAIN),
];

impl Errno {
    /// The error number with that name: `ENOSYS`.
    pub fn from_name(name: &str) -> Option<Errno> {
        let first = NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, number)| Errno(*number));
        first.or_else(|| {
            ALIASES
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, errno)| *errno)
        })
    }

    /// The error with that number, if the kernel has one.
    pub fn from_number(number: i32) -> Option<Errno> {
        NAMES
            .iter()
            .any(|(_, known)| *known == number)
            .then_some(Errno(number))
    }

    /// The number, positive.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The name.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, number)| *number == self.0)
            .map_or("E?", |(name, _)| name)
    }

    /// Every name that [`Errno::from_name`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES
            .iter()
            .map(|(name, _)| *name)
            .chain(ALIASES.iter().map(|(name, _)| *name))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_a_number_and_back() {
        assert_eq!(Errno::from_name("ENOSYS"), Some(Errno::ENOSYS));
        assert_eq!(Errno::ENOSYS.number(), 38);
        assert_eq!(Errno::from_name("EWOULDBLOCK"), Some(Errno::EAGAIN));
        assert_eq!(Errno::from_name("ENOSUCH"), None);
        for name in Errno::names() {
            let errno = Errno::from_name(name).expect(name);
            assert_eq!(Errno::from_number(errno.number()), Some(errno));
        }
    }

    #[test]
    fn numbers_are_those_of_the_kernel() {
        let missing: Vec<_> = (1..=134)
            .filter(|n| Errno::from_number(*n).is_none())
            .collect();
        assert_eq!(missing, [41, 58]);
        for number in [0, -1, 135, 512] {
            assert_eq!(Errno::from_number(number), None);
        }
    }
}
