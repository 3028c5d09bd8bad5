"""Gifts come once and never more often than promised, and pay for what they are said to pay."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from bot.core.caps import Cap, Limit, OrderRules
from bot.core.errors import CreditTooLow, LimitReached
from bot.core.gifts import (
    FRIEND_DAYS,
    MOST_ROUBLES,
    MOST_VIDEOS,
    NEW_FOR,
    Gift,
    PromoOrder,
    read_code,
    read_gift,
    read_promo,
)
from bot.core.notices import NoticeKind
from bot.core.prices import Left
from bot.core.task import AspectRatio, Chat, Task, TaskState
from storage import Entry, FriendResult, PromoResult, Storage
from tests.support.factories import ANN, BOB, MINUTE, NOON, draft

S = TaskState
PRICE = Decimal("16.4")
DAY = timedelta(days=1)
ADMIN = 1
THREE = Gift(videos=3)


def under(storage: Storage, *, sold: bool = False, **caps: int) -> Storage:
    """The same database with rules, `caps` in videos."""
    bounds = {Cap(name): Limit(videos=videos) for name, videos in caps.items()}
    return Storage.over(storage.database, OrderRules(caps=bounds, sold=sold))


async def code(
    storage: Storage, gift: Gift = THREE, *, uses: int = 20, name: str = "WINTER"
) -> None:
    made = await storage.gifts.make_promo(
        name,
        gift,
        uses=uses,
        expires_at=NOON + DAY,
        by=ADMIN,
        update_id=hash(name) % 10**9,
        now=NOON,
    )
    assert made is not None


async def order(storage: Storage, user_id: int = ANN) -> Task:
    task = await draft(storage, price=PRICE, user_id=user_id)
    ordered = await storage.tasks.confirm(
        task.id, user_id=user_id, aspect_ratio=AspectRatio.TALL, update_id=task.id, now=NOON
    )
    assert ordered is not None
    return ordered


async def end(storage: Storage, task: Task, *way: TaskState) -> None:
    [lease] = [
        one
        for one in await storage.tasks.claim_due(
            owner="w", now=NOON + DAY, lease_for=MINUTE, limit=99, slots=None
        )
        if one.id == task.id
    ]
    for state in way:
        extra = {"provider_id": f"p{task.id}"} if state is S.GENERATING else {}
        after = lease.to(state, run_at=NOON, **extra)
        assert await storage.tasks.save(lease, after, now=NOON, keep_lease=True)
        lease = after


DELIVERED = (S.SUBMITTING, S.GENERATING, S.RENDERED, S.DELIVERED)


async def videos(storage: Storage, user_id: int = ANN) -> int:
    return (await storage.gifts.balance(user_id)).videos


async def told(storage: Storage) -> list[tuple[int, str]]:
    """Whom the outbox tells of a gift, and why."""
    waiting = await storage.outbox.claim(owner="o", now=NOON + DAY, lease_for=MINUTE, limit=99)
    return [
        (one.notice.chat.chat_id, str(one.notice.params["why"]))
        for one in waiting
        if one.notice.kind is NoticeKind.GIFT
    ]


# --- how they are written --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "gift"),
    [
        ("3", Gift(videos=3)), ("100₽", Gift(roubles=100)), ("100 руб.", Gift(roubles=100)),
        ("100Р", Gift(roubles=100)), ("5rub", Gift(roubles=5)), ("0", None), ("-3", None),
        (str(MOST_VIDEOS + 1), None), (f"{MOST_ROUBLES + 1}₽", None), ("3 videos", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_gift_is_a_number_of_videos_or_of_roubles(text: str, gift: Gift | None) -> None:
    assert read_gift(text) == gift


@pytest.mark.parametrize(
    ("text", "order_"),
    [
        ("20 WINTER 3", PromoOrder(people=20, code="WINTER", gift=THREE)),
        ("20 winter-26 9₽ 14",
         PromoOrder(people=20, code="WINTER-26", gift=Gift(roubles=9), days=14)),
        ("20 3", PromoOrder(people=20, code=None, gift=THREE)),
        ("20 3 14", PromoOrder(people=20, code=None, gift=THREE, days=14)),
        ("20", None), ("0 WINTER 3", None), ("20 WINTER", None), ("20 WINTER 3 0", None),
        ("20 WINTER 3 400", None), ("20 ЗИМА 3", None), ("20 WINTER 3 14 1", None),
        ("²0 A 3", None), ("", None),
    ],
)  # fmt: skip
def test_a_promo_is_people_a_code_a_gift_and_days(text: str, order_: PromoOrder | None) -> None:
    assert read_promo(text) == order_


def test_a_code_ignores_case_and_is_never_a_number() -> None:
    assert read_code(" winter ") == "WINTER"
    assert [read_code(text) for text in ("20", "WI", "A" * 33, "ЗИМА", "A B")] == [None] * 5


# --- promo codes -----------------------------------------------------------------------------


async def test_a_hundred_at_once_get_what_twenty_places_hold(
    storage: Storage, other: Storage
) -> None:
    await code(storage, uses=20)
    results = await asyncio.gather(
        *(
            (storage, other)[n % 2].gifts.redeem("WINTER", user_id=1000 + n, now=NOON)
            for n in range(100)
        )
    )
    assert Counter(result for result, _ in results) == {
        PromoResult.GIVEN: 20, PromoResult.USED_UP: 80,
    }  # fmt: skip
    given = [await videos(other, 1000 + n) for n in range(100)]
    assert sorted(given) == [0] * 80 + [3] * 20
    assert given == [3 if result is PromoResult.GIVEN else 0 for result, _ in results]
    assert (await storage.ledger.totals(NOON, NOON + DAY))[Entry.GRANT].rows == 20


async def test_one_person_at_once_many_times_takes_one_place(
    storage: Storage, other: Storage
) -> None:
    await code(storage, uses=20)
    results = await asyncio.gather(
        *((storage, other)[n % 2].gifts.redeem("WINTER", user_id=ANN, now=NOON) for n in range(30))
    )
    assert Counter(result for result, _ in results) == {
        PromoResult.GIVEN: 1, PromoResult.ALREADY: 29,
    }  # fmt: skip
    assert await videos(other) == 3
    [left] = await other.gifts.promos(NOON, limit=9)
    assert left.used == 1


async def test_a_code_ends_by_its_time_and_by_its_admin_and_stays_taken(storage: Storage) -> None:
    await code(storage, name="SPRING")
    await code(storage, Gift(roubles=50))
    assert [one.code for one in await storage.gifts.promos(NOON, limit=9)] == ["SPRING", "WINTER"]
    late = NOON + DAY
    assert await storage.gifts.redeem("SPRING", user_id=ANN, now=late) == (
        PromoResult.EXPIRED,
        None,
    )
    [number] = [p.number for p in await storage.gifts.promos(NOON, limit=9) if p.code == "WINTER"]
    assert await storage.gifts.redeem("WINTER", user_id=BOB, now=NOON) == (
        PromoResult.GIVEN, Gift(roubles=50),
    )  # fmt: skip
    assert await storage.gifts.revoke_promo(number, by=ADMIN, now=NOON)
    assert not await storage.gifts.revoke_promo(number, by=ADMIN, now=NOON)
    assert (await storage.gifts.redeem("WINTER", user_id=ANN, now=NOON))[0] is PromoResult.EXPIRED
    assert (await storage.gifts.redeem("WINTER", user_id=BOB, now=NOON))[0] is PromoResult.ALREADY
    assert (await storage.gifts.redeem("NOTHING", user_id=ANN, now=NOON))[0] is PromoResult.UNKNOWN
    assert await storage.ledger.credit(BOB) == 50
    again = await storage.gifts.make_promo(
        "WINTER", THREE, uses=1, expires_at=NOON + DAY, by=ADMIN, update_id=5, now=NOON
    )
    assert again is None


async def test_a_repeated_command_makes_one_random_code(storage: Storage) -> None:
    made = [
        await storage.gifts.make_promo(
            None, THREE, uses=1, expires_at=NOON + DAY, by=ADMIN, update_id=9, now=NOON
        )
        for _ in range(2)
    ]
    assert made[0] is not None
    assert made[0] == made[1]
    assert read_code(made[0].code) == made[0].code
    acts = await storage.audit.latest()
    assert [act.act for act in acts] == ["promo"]
    assert made[0].code not in str(acts)


async def test_a_deleted_person_cannot_use_a_code_again(storage: Storage) -> None:
    await code(storage)
    await storage.gifts.redeem("WINTER", user_id=ANN, now=NOON)
    await storage.privacy.erase_person(ANN, now=NOON)
    assert (await storage.gifts.redeem("WINTER", user_id=ANN, now=NOON))[0] is PromoResult.ALREADY
    assert await videos(storage) == 3


# --- what gift videos pay for ----------------------------------------------------------------


async def test_a_gift_video_is_used_beyond_the_cap_of_a_day_and_not_before(
    storage: Storage,
) -> None:
    strict = under(storage, user_per_day=1)
    given = await strict.gifts.give(ANN, Gift(videos=2), by=ADMIN, update_id=1, now=NOON)
    assert given.videos == 2
    rules = strict.tasks.terms
    assert await strict.ledger.left_today(ANN, rules, PRICE, NOON) == Left(1, 1, 2)
    await order(strict)
    assert await videos(strict) == 2
    for left in (1, 0):
        await order(strict)
        assert await videos(strict) == left
    with pytest.raises(LimitReached):
        await order(strict)
    assert await strict.ledger.left_today(ANN, rules, PRICE, NOON) == Left(0, 1, 0)


async def test_the_bots_other_caps_bind_gift_videos_too(storage: Storage) -> None:
    strict = under(storage, user_per_day=1, global_per_day=2)
    await strict.gifts.give(ANN, THREE, by=ADMIN, update_id=1, now=NOON)
    await order(strict)
    await order(strict)
    with pytest.raises(LimitReached) as reached:
        await order(strict)
    assert reached.value.cap is Cap.GLOBAL_PER_DAY
    assert await videos(strict) == 2


async def test_a_gift_video_is_used_before_credit_and_comes_back_when_the_order_fails(
    storage: Storage,
) -> None:
    shop = under(storage, sold=True)
    await shop.gifts.give(ANN, Gift(videos=1), by=ADMIN, update_id=1, now=NOON)
    await shop.gifts.give(ANN, Gift(roubles=17), by=ADMIN, update_id=2, now=NOON)
    first = await order(shop)
    have = await shop.gifts.balance(ANN)
    assert (have.videos, have.credit) == (0, Decimal(17))
    assert await shop.ledger.is_paid_by_person(first.id)
    await order(shop)
    with pytest.raises(CreditTooLow):
        await order(shop)
    # charged by the provider and failed: the person pays nothing either way
    await end(shop, first, S.SUBMITTING, S.GENERATING, S.FAILED)
    have = await shop.gifts.balance(ANN)
    assert (have.videos, have.credit) == (1, 17 - PRICE)
    assert await told(shop) == [(ANN, "admin"), (ANN, "admin"), (ANN, "back")]
    cancelled = await order(shop)
    assert await videos(shop) == 0
    assert await shop.tasks.cancel(cancelled.id, user_id=ANN, now=NOON)
    assert await videos(shop) == 1
    assert await told(shop) == [], "who cancels knows it"


async def test_presses_at_once_use_no_more_gift_videos_than_there_are(
    storage: Storage, other: Storage
) -> None:
    here, there = (under(one, user_per_day=1) for one in (storage, other))
    await here.gifts.give(ANN, THREE, by=ADMIN, update_id=1, now=NOON)
    drafts = [await draft(here, price=PRICE) for _ in range(20)]
    done = await asyncio.gather(
        *(
            (here, there)[n % 2].tasks.confirm(
                one.id, user_id=ANN, aspect_ratio=AspectRatio.TALL, update_id=one.id, now=NOON
            )
            for n, one in enumerate(drafts)
        ),
        return_exceptions=True,
    )
    assert Counter(type(one) for one in done) == {Task: 4, LimitReached: 16}
    assert await videos(there) == 0


async def test_the_same_update_gives_once(storage: Storage) -> None:
    for _ in range(2):
        have = await storage.gifts.give(ANN, THREE, by=ADMIN, update_id=1, now=NOON)
    assert have.videos == 3
    assert await told(storage) == [(ANN, "admin")]


# --- referrals -------------------------------------------------------------------------------


async def met(storage: Storage, user_id: int) -> None:
    await storage.users.see(user_id, lang="en", name="X", now=NOON)


async def link(storage: Storage, user_id: int = ANN) -> str:
    await met(storage, user_id)
    token = await storage.gifts.referral_token(user_id)
    assert token is not None
    assert token == await storage.gifts.referral_token(user_id)
    return token


async def opened(storage: Storage, token: str, user_id: int = BOB) -> FriendResult:
    return await storage.gifts.open_link(token, user_id=user_id, bonus=Gift(videos=1), now=NOON)


async def test_a_link_does_not_tell_whose_it_is(storage: Storage) -> None:
    one, other = (
        5_123_456_789,
        5_123_456_790,
    )  # as long as Telegram's ids, so that no token contains it by chance
    assert str(one) not in await link(storage, one)
    assert await link(storage, one) != await link(storage, other)


async def test_both_get_the_bonus_with_the_first_video_and_never_again(storage: Storage) -> None:
    token = await link(storage)
    await met(storage, BOB)
    assert await opened(storage, token) is FriendResult.NOTED
    assert await opened(storage, token) is FriendResult.NOTED, "a repeated update"
    first = await order(storage, BOB)
    await end(storage, first, *DELIVERED[:-1])
    assert await told(storage) == []
    await end(storage, await order(storage, BOB), *DELIVERED)
    assert sorted(await told(storage)) == [(ANN, "friend"), (BOB, "welcome")]
    assert await opened(storage, token) is FriendResult.NOT_NEW
    await end(storage, await order(storage, BOB), *DELIVERED)
    assert [await videos(storage, one) for one in (ANN, BOB)] == [1, 1]
    assert await storage.gifts.friends(ANN) == 1
    assert await told(storage) == []


async def test_a_failed_video_brings_no_bonus(storage: Storage) -> None:
    token = await link(storage)
    await met(storage, BOB)
    await opened(storage, token)
    await end(storage, await order(storage, BOB), S.SUBMITTING, S.FAILED)
    assert await videos(storage, ANN) == 0


async def test_a_video_that_was_a_gift_brings_no_bonus(storage: Storage) -> None:
    shop = under(storage, sold=True)
    token = await link(shop)
    await met(shop, BOB)
    await opened(shop, token)
    await code(shop, Gift(videos=1))
    await shop.gifts.redeem("WINTER", user_id=BOB, now=NOON)
    await end(shop, await order(shop, BOB), *DELIVERED)
    assert await videos(shop, ANN) == 0


async def test_a_video_paid_with_a_codes_credit_brings_no_bonus_until_money_is_spent(
    storage: Storage,
) -> None:
    """Otherwise promo codes and referral links could earn each other, and nobody would pay
    anything."""
    shop = under(storage, sold=True)
    await code(shop, Gift(roubles=20))
    token = await link(shop)
    await met(shop, BOB)
    assert await opened(shop, token) is FriendResult.NOTED
    assert (await shop.gifts.redeem("WINTER", user_id=BOB, now=NOON))[0] is PromoResult.GIVEN
    await end(shop, await order(shop, BOB), *DELIVERED)
    assert await told(shop) == []
    await shop.stars.purchase(
        user_id=BOB, payment_id="stx-1", stars=10, credit=Decimal(20), now=NOON
    )
    await end(shop, await order(shop, BOB), *DELIVERED)
    assert sorted(await told(shop)) == [(ANN, "friend"), (BOB, "welcome")]


async def test_credit_that_an_admin_gave_counts_as_money(storage: Storage) -> None:
    """The person may have paid the admin for it in another way."""
    shop = under(storage, sold=True)
    token = await link(shop)
    await met(shop, BOB)
    await opened(shop, token)
    await shop.ledger.grant(BOB, Decimal(20), by=ADMIN, update_id=7, now=NOON)
    await end(shop, await order(shop, BOB), *DELIVERED)
    assert sorted(await told(shop)) == [(ANN, "friend"), (BOB, "welcome")]


async def test_only_somebody_new_can_be_invited(storage: Storage) -> None:
    token = await link(storage)
    assert await opened(storage, token, ANN) is FriendResult.OWN
    assert await opened(storage, "friend-nobody") is FriendResult.UNKNOWN
    await storage.users.see(BOB, lang="en", name="X", now=NOON - NEW_FOR - MINUTE)
    assert await opened(storage, token) is FriendResult.NOT_NEW
    # who ordered once is known, even after everything about them was deleted
    await met(storage, 103)
    await order(storage, 103)
    await storage.privacy.erase_person(103, now=NOON)
    await met(storage, 103)
    assert await opened(storage, token, 103) is FriendResult.NOT_NEW
    # the first link counts
    await met(storage, 104)
    assert await opened(storage, token, 104) is FriendResult.NOTED
    other = await link(storage, 105)
    assert await opened(storage, other, 104) is FriendResult.NOT_NEW


async def test_one_new_person_at_many_links_brings_one_bonus(
    storage: Storage, other: Storage
) -> None:
    tokens = [await link(storage, 200 + n) for n in range(20)]
    await met(storage, BOB)
    results = await asyncio.gather(
        *(opened((storage, other)[n % 2], token) for n, token in enumerate(tokens))
    )
    assert Counter(results) == {FriendResult.NOTED: 1, FriendResult.NOT_NEW: 19}
    await end(storage, await order(storage, BOB), *DELIVERED)
    assert sum([await videos(storage, 200 + n) for n in range(20)]) == 1


async def test_what_referrals_say_of_a_person_goes_with_their_data(storage: Storage) -> None:
    token = await link(storage)
    for one in (BOB, 103):
        await met(storage, one)
        await opened(storage, token, one)
    await storage.privacy.erase_person(BOB, now=NOON)
    await storage.privacy.erase_person(ANN, now=NOON)
    assert await opened(storage, token, 104) is FriendResult.UNKNOWN
    await end(storage, await order(storage, 103), *DELIVERED)
    assert await videos(storage, 103) == 1, "what an invited person was promised stays"
    assert await videos(storage, ANN) == 0


async def test_an_invitation_without_a_video_is_forgotten(storage: Storage) -> None:
    token = await link(storage)
    await met(storage, BOB)
    await opened(storage, token)
    days = timedelta(days=FRIEND_DAYS)
    assert await storage.gifts.forget(now=NOON + days) == 0
    assert await storage.gifts.forget(now=NOON + days + MINUTE) == 1
    await end(storage, await order(storage, BOB), *DELIVERED)
    assert await videos(storage, ANN) == 0


# --- a group's allowance ---------------------------------------------------------------------


async def test_a_groups_allowance_binds_beside_the_bots_own_cap(storage: Storage) -> None:
    group = -5
    await storage.people.set_cap(group, Cap.GROUP_PER_DAY, 3, by=ADMIN, now=NOON)
    await storage.people.set_cap(group, Cap.GROUP_ALLOWANCE, 2, by=ANN, now=NOON)

    async def in_group(user_id: int) -> None:
        task = await draft(storage, user_id=user_id, chat=Chat(chat_id=group))
        await storage.tasks.confirm(
            task.id, user_id=user_id, aspect_ratio=AspectRatio.TALL, update_id=task.id, now=NOON
        )

    await in_group(ANN)
    await in_group(BOB)
    with pytest.raises(LimitReached) as reached:
        await in_group(103)
    assert reached.value.cap is Cap.GROUP_ALLOWANCE
    await storage.people.set_cap(group, Cap.GROUP_ALLOWANCE, None, by=ANN, now=NOON)
    await in_group(103)
    with pytest.raises(LimitReached) as reached:
        await in_group(104)
    assert reached.value.cap is Cap.GROUP_PER_DAY
    assert await storage.ledger.ordered_in_group(group, OrderRules(), NOON) == 3
