//! tmpmap and tmpunmap on the host machine.

mod common;

use common::{above, below, boot, on};
use mmu386::arch::Arch;
use mmu386::layout::PC386;
use mmu386::tmpmap::{tmpmap, tmpunmap};
use mmu386::variant::Fixed;

fn tmp_entry(cpu: &common::Cpu<Fixed>) -> u32 {
    cpu.load(cpu.at(PC386.vpt_entry(PC386.tmpaddr()))) & !0xFFF
}

#[test]
fn a_page_in_the_window_is_reached_there() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    cpu.splhi();
    let page = below(&cpu);
    let tmp = tmpmap(&cpu, page);
    assert_eq!(tmp_entry(&cpu), PC386.tmp, "TMPADDR is not needed");
    cpu.store(tmp.entry(&cpu, 3), 77);
    assert_eq!(cpu.load(cpu.at(0xF000_0000 + page.pa() + 12)), 77);
    tmpunmap(&cpu, tmp);
}

#[test]
fn a_page_above_the_window_shows_at_tmpaddr_until_tmpunmap() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    cpu.splhi();
    let (one, other) = (above(&cpu), above(&cpu));
    for (page, value) in [(one, 1), (other, 2)] {
        let tmp = tmpmap(&cpu, page);
        assert_eq!(tmp_entry(&cpu), page.pa());
        cpu.store(tmp.entry(&cpu, 1023), value);
        tmpunmap(&cpu, tmp);
        assert_eq!(tmp_entry(&cpu), PC386.tmp);
    }
    // A translation of the first that is left over would show 1 here, or lose the 2.
    let tmp = tmpmap(&cpu, other);
    assert_eq!(cpu.load(tmp.entry(&cpu, 1023)), 2);
    tmpunmap(&cpu, tmp);
    let tmp = tmpmap(&cpu, one);
    assert_eq!(cpu.load(tmp.entry(&cpu, 1023)), 1);
    tmpunmap(&cpu, tmp);
}

#[test]
fn each_cpu_has_a_page_of_its_own() {
    let machine = boot::<Fixed>();
    let (zero, one) = (on(&machine, 0), on(&machine, 1));
    zero.splhi();
    one.splhi();
    let (a, b) = (above(&zero), above(&one));
    let first = tmpmap(&zero, a);
    let second = tmpmap(&one, b);
    zero.store(first.entry(&zero, 0), 10);
    one.store(second.entry(&one, 0), 11);
    assert_eq!(zero.load(first.entry(&zero, 0)), 10);
    tmpunmap(&zero, first);
    assert_eq!(one.load(second.entry(&one, 0)), 11);
    tmpunmap(&one, second);
}

#[test]
#[should_panic(expected = "tmpmap: already mapped: va=0xf0008000")]
fn two_pages_above_the_window_at_once_are_one_too_many() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    cpu.splhi();
    let (one, other) = (above(&cpu), above(&cpu));
    let _first = tmpmap(&cpu, one);
    let _second = tmpmap(&cpu, other);
}

#[test]
#[should_panic(expected = "cpu0: tmpmap: islo")]
fn interrupts_must_be_off() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    let page = below(&cpu);
    cpu.spllo();
    let _ = tmpmap(&cpu, page);
}

#[test]
#[should_panic(expected = "cpu0: tmpunmap: islo")]
fn interrupts_must_stay_off() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    cpu.splhi();
    let page = below(&cpu);
    let tmp = tmpmap(&cpu, page);
    cpu.spllo();
    tmpunmap(&cpu, tmp);
}

#[test]
#[should_panic(expected = "tmpmap: no entry")]
fn tmpaddr_must_have_an_entry() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    cpu.splhi();
    let page = above(&cpu);
    cpu.store(cpu.at(PC386.vpt_entry(PC386.tmpaddr())), 0);
    let _ = tmpmap(&cpu, page);
}

#[test]
#[should_panic(expected = "tmpunmap: not mapped")]
fn a_mapping_that_somebody_else_took_away_is_noticed() {
    let machine = boot::<Fixed>();
    let cpu = on(&machine, 0);
    cpu.splhi();
    let page = above(&cpu);
    let tmp = tmpmap(&cpu, page);
    cpu.store(cpu.at(PC386.vpt_entry(PC386.tmpaddr())), PC386.tmp | 3);
    tmpunmap(&cpu, tmp);
}
