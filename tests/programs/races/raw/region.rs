//! Attacks on a region of this process that somebody else has mapped, one call each.

use super::*;
use std::ops::Range;

fn size(region: &Range<usize>) -> usize {
    region.end - region.start
}

/// Where a jail keeps what it has checked: on x86-64 from the lowest address that may be mapped, up to 2 MiB; on
/// aarch64 below 2 GiB.
pub fn low() -> Range<usize> {
    const STEP: usize = 64 << 10;
    if cfg!(target_arch = "aarch64") {
        return (2 << 30) - (2 << 20) + STEP..2 << 30;
    }
    let least = std::fs::read_to_string("/proc/sys/vm/mmap_min_addr").unwrap_or_default();
    let least: usize = least.trim().parse().unwrap_or(0);
    least.max(STEP).next_multiple_of(STEP)..2 << 20
}

/// Makes it a read-only anonymous region with a text in it, as the jail's; nothing keeps it so.
pub fn place(region: &Range<usize>) {
    map_fixed(region).expect("mmap");
    let text = as_bytes(region).iter().zip(b"/some/path\0");
    text.for_each(|(cell, byte)| cell.store(*byte, Ordering::Relaxed));
    protect(region, libc::PROT_READ).expect("mprotect");
}

/// What its first page holds, if the kernel can read it.
pub fn first_page(region: &Range<usize>) -> Option<Vec<u8>> {
    let mut pipe = [0; 2];
    let mut bytes = vec![0; PAGE];
    // SAFETY: the kernel writes two descriptors and a page of `bytes`; what is not mapped is told by an error.
    let read = unsafe {
        libc::pipe(pipe.as_mut_ptr());
        libc::write(pipe[1], region.start as *const c_void, PAGE);
        let _ = close(pipe[1]);
        libc::read(pipe[0], bytes.as_mut_ptr().cast(), PAGE)
    };
    let _ = close(pipe[0]);
    (read == PAGE as isize).then_some(bytes)
}

/// Whether the kernel can read its last page, and not write to it.
pub fn is_readable_only(region: &Range<usize>) -> bool {
    let last = region.end - PAGE..region.end;
    first_page(&last).is_some() && !is_writable(region)
}

/// Whether its first page is mapped.
pub fn is_mapped(region: &Range<usize>) -> bool {
    let mut resident = 0_u8;
    // SAFETY: the kernel writes one byte a page.
    check(unsafe { libc::syscall(libc::SYS_mincore, region.start, PAGE, &raw mut resident) })
        .is_ok()
}

/// A region that `map_fixed` has mapped, which must be never unmapped.
pub fn as_bytes(region: &Range<usize>) -> &'static [AtomicU8] {
    // SAFETY: readable and writable memory of this length; atomic bytes.
    unsafe { std::slice::from_raw_parts(region.start as *const AtomicU8, size(region)) }
}

pub fn protect(region: &Range<usize>, protection: c_int) -> Called {
    // SAFETY: a region that no Rust value lies in; so for all that follow.
    check(unsafe { libc::mprotect(region.start as *mut c_void, size(region), protection).into() })
}

pub fn protect_by_key(region: &Range<usize>, protection: c_int) -> Called {
    let (number, size) = (libc::SYS_pkey_mprotect, size(region));
    // SAFETY: as above; the key -1 is none.
    check(unsafe { libc::syscall(number, region.start, size, protection, -1) })
}

pub fn unmap(region: &Range<usize>) -> Called {
    // SAFETY: as above.
    check(unsafe { libc::munmap(region.start as *mut c_void, size(region)).into() })
}

pub fn map_fixed(region: &Range<usize>) -> Called {
    map_fixed_as(region, 0)
}

pub fn map_fixed_as(region: &Range<usize>, more: c_int) -> Called {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | more;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    map_raw(region.start, size(region), protection, flags, -1)
}

fn remap(from: usize, size: usize, new_size: usize, flags: c_int, to: usize) -> Called {
    let number = libc::SYS_mremap;
    // SAFETY: as above; `to` is memory that was mapped for this and holds nothing.
    check(unsafe { libc::syscall(number, from, size, new_size, flags, to) })
}

pub fn move_away(region: &Range<usize>, more: c_int) -> Called {
    let to = map(size(region), false).as_ptr().addr();
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | more;
    remap(region.start, size(region), size(region), flags, to)
}

pub fn move_over(region: &Range<usize>) -> Called {
    let from = map(size(region), false).as_ptr().addr();
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    remap(from, size(region), size(region), flags, region.start)
}

const GIGANTIC: usize = 1 << 30;

/// Has a page of the largest size cover it: the kernel rounds the length up. The page itself need not exist. Parts of
/// it cannot be replaced, so it is unmapped again.
pub fn map_gigantic(region: &Range<usize>) -> Called {
    map_page_of(
        region,
        libc::MAP_ANONYMOUS | libc::MAP_HUGETLB | 30 << libc::MAP_HUGE_SHIFT,
        -1,
    )
}

/// The same, by the descriptor of a file in memory: no argument says how large the page is.
pub fn map_gigantic_file(region: &Range<usize>) -> Called {
    let kind = libc::MFD_HUGETLB | 30 << libc::MAP_HUGE_SHIFT;
    // SAFETY: the name is a constant.
    let fd = check(unsafe { libc::memfd_create(c"huge".as_ptr(), kind) }.into())? as i32;
    let result = map_page_of(region, 0, fd);
    let _ = close(fd);
    result
}

fn map_page_of(region: &Range<usize>, kind: c_int, fd: i32) -> Called {
    let start = region.start / GIGANTIC * GIGANTIC;
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE;
    map_raw(start, PAGE, libc::PROT_READ, flags | kind, fd)?;
    unmap(&(start..start + GIGANTIC))
}

/// Moves memory to address 0, which fails; before that the kernel unmaps what lies there, up to `end`.
pub fn move_to_zero(end: usize) -> Called {
    let from = map(end, false).as_ptr().addr();
    remap(from, end, end, libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED, 0)
}

/// Has the kernel cut off this region from other memory, by sizes whose sum with the address of that memory
/// wraps round (before Linux 6.17).
pub fn shrink_wrapped(region: &Range<usize>) -> Called {
    let from = map(PAGE, false).as_ptr().addr();
    let length = region.start.wrapping_sub(from);
    remap(from, length.wrapping_add(size(region)), length, 0, 0)
}

/// The same from an address that the kernel has for itself.
pub fn shrink_from_above(region: &Range<usize>) -> Called {
    let from = 0_usize.wrapping_sub(PAGE);
    let length = region.start + PAGE;
    remap(from, length + size(region), length, 0, 0)
}

/// Moves memory that grows downwards to this region, if it is free: the address is a hint.
pub fn move_growing(to: &Range<usize>) -> Called {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_GROWSDOWN;
    let from = map_raw(0, size(to), libc::PROT_READ, flags, -1)? as usize;
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP;
    remap(from, size(to), size(to), flags, to.start)
}

/// Makes memory writable, from the beginning of its mapping on if that grows downwards.
pub fn protect_downwards(region: &Range<usize>) -> Called {
    const PROT_GROWSDOWN: c_int = 0x0100_0000;
    protect(region, PROT_GROWSDOWN | libc::PROT_READ | libc::PROT_WRITE)
}

pub fn shrink(region: &Range<usize>) -> Called {
    remap(region.start, size(region), PAGE, 0, 0)
}

pub fn advise(region: &Range<usize>, advice: c_int) -> Called {
    // SAFETY: as above.
    check(unsafe { libc::madvise(region.start as *mut c_void, size(region), advice).into() })
}

pub fn advise_as_process(region: &Range<usize>, advice: c_int) -> Called {
    let what = libc::iovec {
        iov_base: region.start as *mut c_void,
        iov_len: size(region),
    };
    // SAFETY: as above; the vector is read.
    unsafe {
        let itself = libc::syscall(libc::SYS_pidfd_open, std::process::id(), 0);
        let itself = check(itself)?;
        check(libc::syscall(
            libc::SYS_process_madvise,
            itself,
            &what,
            1,
            advice,
            0,
        ))
    }
}

pub fn vm_write_itself(region: &Range<usize>) -> Called {
    vm_write(std::process::id() as i32, b"/won", region.start)
}

pub fn vm_write_from_child(region: &Range<usize>) -> Called {
    let parent = std::process::id() as i32;
    from_child(|| vm_write(parent, b"/won", region.start))
}

/// Through a file of /proc.
pub fn write_file(region: &Range<usize>, file: &str) -> Called {
    let fd = open_path(file, libc::O_RDWR)? as i32;
    write_at(fd, b"/won", region.start)
}

pub fn write_file_from_child(region: &Range<usize>) -> Called {
    let file = format!("/proc/{}/mem", std::process::id());
    from_child(|| write_file(region, &file))
}

fn from_child(attack: impl FnOnce() -> Called) -> Called {
    let pid = fork(|| attack().err().map_or(0, |errno| errno as i32));
    match wait(pid, 0)? {
        (_, 0) => Ok(0),
        (_, status) => Err(Errno::from_raw(libc::WEXITSTATUS(status))),
    }
}

/// Detaches a segment that begins there.
pub fn detach(region: &Range<usize>) -> Called {
    // SAFETY: as above.
    check(unsafe { libc::shmdt(region.start as *const c_void) }.into())
}

/// Attaches a segment over it, at so many bytes after its start.
pub fn attach_over(region: &Range<usize>, after: usize, flags: c_int) -> Called {
    // SAFETY: as above; the segment is removed at once, which lets it live while attached.
    unsafe {
        let id = libc::shmget(libc::IPC_PRIVATE, size(region), 0o600);
        let id = check(id.into())? as i32;
        let at = libc::shmat(id, (region.start + after) as *const c_void, flags);
        let result = check(at as i64);
        libc::shmctl(id, libc::IPC_RMID, null_mut());
        result
    }
}

pub fn remap_file_pages(region: &Range<usize>) -> Called {
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_remap_file_pages, region.start, PAGE, 0, 1, 0) })
}

/// read(2) into it.
pub fn read_into(region: &Range<usize>) -> Called {
    let fd = memfd(b"/won");
    // SAFETY: as above.
    let read = unsafe { libc::pread(fd, region.start as *mut c_void, 4, 0) };
    check(read as i64)
}

const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFDIO_MOVE: u64 = 0xc028_aa05;
/// Missing pages, write protection.
pub const MODES: [u64; 2] = [1, 2];

/// UFFD_USER_MODE_ONLY of linux/userfaultfd.h (Linux 5.11): no privilege is needed.
const OF_USER: c_int = 1;

/// A userfaultfd, asked for by its call or by its device.
fn fault_descriptor(flags: c_int) -> Result<i32, Errno> {
    // SAFETY: takes no memory.
    let fd = check(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | flags) });
    let fd = fd.or_else(|errno| {
        let device = open_path("/dev/userfaultfd", libc::O_RDWR).map_err(|_| errno)?;
        // SAFETY: USERFAULTFD_IOC_NEW takes flags.
        check(unsafe { libc::syscall(libc::SYS_ioctl, device, 0xaa00, libc::O_CLOEXEC) })
    })?;
    let api = [0xaa_u64, 0, 0];
    // SAFETY: struct uffdio_api, of three words.
    check(unsafe { libc::syscall(libc::SYS_ioctl, fd, UFFDIO_API, api.as_ptr()) })?;
    Ok(fd as i32)
}

fn register(fd: i32, region: &Range<usize>, mode: u64) -> Called {
    let what = [region.start as u64, size(region) as u64, mode, 0];
    // SAFETY: struct uffdio_register, of four words.
    check(unsafe { libc::syscall(libc::SYS_ioctl, fd, UFFDIO_REGISTER, what.as_ptr()) })
}

pub fn watch_faults(region: &Range<usize>, mode: u64) -> Called {
    let fd = fault_descriptor(0)?;
    let result = register(fd, region, mode);
    let _ = close(fd);
    result
}

/// Moves the first page out of the region, to memory that is registered.
pub fn move_page(region: &Range<usize>) -> Called {
    move_page_by(region, fault_descriptor(0)?)
}

/// The same, by a descriptor that serves no faults of the kernel's.
pub fn move_page_of_user(region: &Range<usize>) -> Called {
    move_page_by(region, fault_descriptor(OF_USER)?)
}

fn move_page_by(region: &Range<usize>, fd: i32) -> Called {
    let to = map(PAGE, false).as_ptr().addr();
    register(fd, &(to..to + PAGE), 1)?;
    let what = [to as u64, region.start as u64, PAGE as u64, 0, 0];
    // SAFETY: struct uffdio_move, of five words.
    let result = check(unsafe { libc::syscall(libc::SYS_ioctl, fd, UFFDIO_MOVE, what.as_ptr()) });
    let _ = close(fd);
    result
}

/// Has the kernel read a byte of each of its pages; how many.
pub fn touch(region: &Range<usize>) -> i64 {
    let mut pipe = [0; 2];
    // SAFETY: the kernel writes two descriptors.
    unsafe { libc::pipe(pipe.as_mut_ptr()) };
    let mut read = 0;
    for page in region.clone().step_by(PAGE) {
        // SAFETY: what is not mapped is told by an error.
        read += unsafe { libc::write(pipe[1], page as *const c_void, 1) } as i64;
    }
    let _ = pipe.map(close);
    read
}

/// Whether the kernel may write a byte to its last page, which it does.
pub fn is_writable(region: &Range<usize>) -> bool {
    let mut pipe = [0; 2];
    // SAFETY: the kernel writes two descriptors, then a byte to the region, or tells that it cannot.
    let read = unsafe {
        libc::pipe(pipe.as_mut_ptr());
        libc::write(pipe[1], c"".as_ptr().cast(), 1);
        libc::read(pipe[0], (region.end - 1) as *mut c_void, 1)
    };
    let _ = pipe.map(close);
    read == 1
}
