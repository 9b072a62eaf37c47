//! kaddr, paddr, cankaddr on the host machine.

mod common;

use common::{boot, on};
use mmu386::kaddr::{cankaddr, kaddr, paddr};
use mmu386::variant::Fixed;

/// 9front `pc/mem.h`: KZERO 0xF0000000, a window of 256 MB.
#[test]
fn the_window_starts_at_kzero_and_ends_with_the_address_space() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    assert_eq!(kaddr(&cpu, 0), 0xF000_0000);
    assert_eq!(kaddr(&cpu, 0x0FFF_FFFF), 0xFFFF_FFFF);
    for pa in [0, 0x1234, 0x0FFF_F000] {
        assert_eq!(paddr(&cpu, kaddr(&cpu, pa)), pa);
    }
}

#[test]
fn cankaddr_counts_the_bytes_that_are_left() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    assert_eq!(cankaddr(&cpu, 0), 0x1000_0000);
    assert_eq!(cankaddr(&cpu, 0x0FFF_F000), 0x1000);
    assert_eq!(cankaddr(&cpu, 0x1000_0000), 0);
    assert_eq!(cankaddr(&cpu, u32::MAX), 0);
}

#[test]
#[should_panic(expected = "cpu0 no proc: kaddr: above the window: va=0x00000000 pa=0x10000000")]
fn kaddr_refuses_what_the_window_does_not_show() {
    let machine = boot::<Fixed>();
    kaddr(&on(&machine, 0), 0x1000_0000);
}

#[test]
#[should_panic(expected = "paddr: not in the window: va=0xefffffff")]
fn paddr_refuses_what_is_below_the_window() {
    let machine = boot::<Fixed>();
    paddr(&on(&machine, 0), 0xEFFF_FFFF);
}
